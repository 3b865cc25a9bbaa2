"""The page, made with Gradio: its own widgets for what they do well, and one of ours for the photo (stage.js)."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from ..builders.synth.photos import load_photo
from ..errors import GiqaError
from ..files import write_json
from ..inference import GroundedAnswer
from .sessions import MAX_UPLOAD_BYTES, Models, Session, box_of, examples
from .stage import NOTHING, complaint, script, show

TITLE = "Image quality in words and boxes"
_INTRO = "<p>What is good and bad in a photo, and where. Colour and number tie words to boxes.</p>"
_OF_TINY = (
    "<p>giqa-tiny is a small model that shows how it works. It learned from these examples with flaws drawn into "
    "them, and often finds flaws where there are none.</p>"
)
WAITING_AT_MOST = 64
_KEPT_ANSWERS = 200
_SESSIONS = 200  # a visit holds its photo in memory, up to some MB
_LOOKED_AT_S, _KEPT_S = 600, 3600  # of Gradio's folder for uploads and downloads
_CSS = "#giqa-examples .grid-wrap { min-height: 0 }"  # or a row of examples is as high as three
_FONTS = ["system-ui", "sans-serif"]  # of the machine: Gradio's own are fetched from Google


class Page(gr.Blocks):
    """Blocks whose `launch` has the app's own settings; Gradio takes them there and not before."""

    def launch(self, *args: Any, **kwargs: Any) -> Any:
        """See `gradio.Blocks.launch`."""
        own: dict[str, Any] = {
            "theme": gr.themes.Default(font=_FONTS, font_mono=["monospace"]),
            "max_file_size": MAX_UPLOAD_BYTES,
            "share": False,
            "footer_links": ["settings"],
            "css": _CSS,
            "state_session_capacity": _SESSIONS,
        }
        return super().launch(*args, **{**own, **kwargs})


class Downloads:
    """The files of the last answers, for the buttons; older ones are deleted."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="giqa-app-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._kept: deque[Path] = deque()
        self._lock = threading.Lock()

    def write(self, answer: GroundedAnswer) -> tuple[str, str]:
        """The paths of the answer as JSON and of the photo with its boxes as PNG."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        write_json(folder / "giqa-answer.json", answer.to_dict())
        answer.draw().save(folder / "giqa-answer.png")
        with self._lock:
            self._kept.append(folder)
            while len(self._kept) > _KEPT_ANSWERS:
                shutil.rmtree(self._kept.popleft(), ignore_errors=True)
        return str(folder / "giqa-answer.json"), str(folder / "giqa-answer.png")


def make_page(models: Models) -> Page:
    """The app around some models; see `build`."""
    downloads = Downloads()
    names = examples()
    no_files = (gr.DownloadButton(interactive=False), gr.DownloadButton(interactive=False))

    def begin(session: Session) -> tuple[Any, ...]:
        try:
            return (session, show(session), *no_files)
        except GiqaError as error:
            return (Session(), {"note": complaint(str(error))}, *no_files)

    def choose_upload(path: str | None) -> tuple[Any, ...]:
        return begin(Session(upload=path))

    def choose_example(event: gr.SelectData) -> tuple[Any, ...]:
        known = isinstance(event.index, int) and 0 <= event.index < len(names)
        return begin(Session(example=names[event.index] if known else None))

    def mark(session: Session, event: gr.EventData) -> Session:
        return replace(session, box_norm=box_of(event._data.get("box")))

    def ask(session: Session, index: int, question: str) -> tuple[Any, ...]:
        if session == Session():
            return (NO_PHOTO, *no_files)
        try:
            answer = models.ask(index, session, question)
            shown = show(session, answer)
            if not isinstance(answer, GroundedAnswer):
                return (shown, *no_files)
            as_json, as_png = downloads.write(answer)
        except GiqaError as error:
            return (_complaining(session, str(error)), *no_files)
        ready = (gr.DownloadButton(value=path, interactive=True) for path in (as_json, as_png))
        return (shown, *ready)

    def describe(session: Session, index: int) -> tuple[Any, ...]:
        whole = replace(session, box_norm=None)  # no longer about the part that was marked
        return (whole, *ask(whole, index, ""))

    page = Page(title=TITLE, analytics_enabled=False, delete_cache=(_LOOKED_AT_S, _KEPT_S))
    with page:
        session = gr.State(Session())
        told = _INTRO + (_OF_TINY if models.with_giqa_tiny else "")
        gr.HTML(f"<h1>{TITLE}</h1>{told}", apply_default_css=True)
        with gr.Row():
            upload = gr.UploadButton(
                "Choose a photo", file_types=["image"], type="filepath", elem_id="giqa-upload", min_width=160
            )
            chosen = gr.Dropdown(
                [(name, place) for place, name in enumerate(models.names)],
                value=0,
                label="Model",
                visible=len(models.names) > 1,
                elem_id="giqa-model",
                min_width=160,
            )
        gallery = gr.Gallery(
            [load_photo(name) for name in names],
            label="Examples",
            show_label=False,
            columns=max(len(names), 9),
            height="auto",
            object_fit="cover",
            allow_preview=False,
            interactive=False,
            visible=bool(names),
            buttons=[],
            elem_id="giqa-examples",
        )
        stage = gr.HTML({"note": NOTHING}, html_template="", js_on_load=script(), elem_id="giqa-stage")
        question = gr.Textbox(
            label="Your question, about the photo or the marked part",
            placeholder="How clear is the cup?",
            elem_id="giqa-question",
        )
        with gr.Row():
            ask_button = gr.Button("Ask", variant="primary", elem_id="giqa-ask", min_width=120)
            describe_button = gr.Button("Describe", elem_id="giqa-describe", min_width=120)
        with gr.Row():
            files = [
                gr.DownloadButton(
                    f"Save {kind}", interactive=False, elem_id=f"giqa-{kind.lower()}", min_width=120
                )
                for kind in ("JSON", "PNG")
            ]
        started = [session, stage, *files]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
        upload.upload(choose_upload, upload, started, **quiet)
        gallery.select(choose_example, None, started, **quiet)
        stage.input(mark, session, session, **{**quiet, "show_progress": "hidden"})
        asking: dict[str, Any] = {**quiet, "concurrency_id": "model", "concurrency_limit": 1}
        gr.on(
            [ask_button.click, question.submit], ask, [session, chosen, question], [stage, *files], **asking
        )
        describe_button.click(describe, [session, chosen], started, **asking)
    page.queue(max_size=WAITING_AT_MOST)
    return page


NO_PHOTO = {"note": complaint("expected a photo, found none; choose one first")}


def _complaining(session: Session, error: str) -> dict[str, Any]:
    """The photo, if it can still be shown, and what went wrong."""
    try:
        return show(session, error=error)
    except GiqaError:
        return {"note": complaint(error)}
