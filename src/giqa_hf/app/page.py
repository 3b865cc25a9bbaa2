"""The page, made with Gradio: its own widgets for what they do well, and one of ours for the photo (stage.js)."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections import deque
from dataclasses import dataclass, replace
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

    def write(self, answer: GroundedAnswer, model: str) -> tuple[str, str]:
        """The paths of the answer, with the model's name, as JSON and of the photo with its boxes as PNG."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        write_json(folder / "giqa-answer.json", {**answer.to_dict(), "model": model})
        answer.draw().save(folder / "giqa-answer.png")
        with self._lock:
            self._kept.append(folder)
            while len(self._kept) > _KEPT_ANSWERS:
                shutil.rmtree(self._kept.popleft(), ignore_errors=True)
        return str(folder / "giqa-answer.json"), str(folder / "giqa-answer.png")


@dataclass(frozen=True)
class Arrived:
    """An answer before it is shown: the visitor may have gone on to another photo or mark while it was made.

    Args:
        session (`Session`): what was asked about.
        shown (`dict`): for the stage.
        files (`tuple`): the buttons to save it.
    """

    session: Session
    shown: dict[str, Any]
    files: tuple[Any, ...]


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

    def ask(session: Session, index: int, question: str) -> Arrived:
        if session == Session():
            return Arrived(session, NO_PHOTO, no_files)
        try:
            answer, name = models.ask(index, session, question), models.names[index]
            shown = show(session, answer, model=name)
            if not isinstance(answer, GroundedAnswer):
                return Arrived(session, shown, no_files)
            paths = downloads.write(answer, name)
        except GiqaError as error:
            return Arrived(session, _complaining(session, str(error)), no_files)
        return Arrived(
            session, shown, tuple(gr.DownloadButton(value=path, interactive=True) for path in paths)
        )

    def unmark(session: Session) -> tuple[Any, ...]:
        whole = replace(session, box_norm=None)
        return (gr.skip(), gr.skip()) if whole == session else (whole, _complaining(whole, ""))

    def describe(session: Session, index: int) -> Arrived:
        return ask(replace(session, box_norm=None), index, "")

    def reveal(session: Session, arrived: Arrived | None) -> tuple[Any, ...]:
        """Gets the session of now, where `ask` had that of when it began; never changes it."""
        if arrived is None:
            return (gr.skip(), gr.skip(), gr.skip(), None)
        shown, files = arrived.shown, arrived.files
        if session != arrived.session:
            shown, files = _complaining(session, TOO_LATE), no_files
        # The browser keeps its mark: it may have drawn one that is still on its way here.
        return ({key: value for key, value in shown.items() if key != "mark"}, *files, None)

    page = Page(title=TITLE, analytics_enabled=False, delete_cache=(_LOOKED_AT_S, _KEPT_S))
    with page:
        session, arrived = gr.State(Session()), gr.State(None)
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
        asking: dict[str, Any] = {
            **quiet,
            "concurrency_id": "model",
            "concurrency_limit": 1,
            "show_progress_on": [stage],
        }
        asked = [
            gr.on([ask_button.click, question.submit], ask, [session, chosen, question], arrived, **asking),
            # A description is of the whole photo: the mark goes first, and for later questions too.
            describe_button.click(unmark, session, [session, stage], **quiet).then(
                describe, [session, chosen], arrived, **asking
            ),
        ]
        for event in asked:  # not in the queue, which may be full by then
            event.then(reveal, [session, arrived], [stage, *files, arrived], **quiet, queue=False)
    page.queue(max_size=WAITING_AT_MOST)
    return page


TOO_LATE = "the answer was to an earlier photo or mark and is not shown; ask again"
NO_PHOTO = {"note": complaint("expected a photo, found none; choose one first")}


def _complaining(session: Session, error: str) -> dict[str, Any]:
    """The photo, if it can still be shown, and what went wrong."""
    try:
        return show(session, error=error)
    except GiqaError:
        return {"note": complaint(error)}
