"""Pictures for people: boxes over photos, and one self-contained HTML report."""

from __future__ import annotations

from .drawing import draw_regions
from .page import report_html, write_report
from .samples import ReportSample

__all__ = ["ReportSample", "draw_regions", "report_html", "write_report"]
