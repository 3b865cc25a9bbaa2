"""The app in a real browser, with giqa-tiny as it ships: look, ask, mark, save, and nothing that a model wrote runs."""

from __future__ import annotations

import json
import os
import re
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

import giqa_hf.inference.pipeline as pipeline_module
from giqa_hf.benchmark.generate import Done, Said
from tests.make_tiny_checkpoint import tiny_checkpoint

CHROMIUM = os.environ.get("GIQA_CHROMIUM", "/usr/bin/chromium")
MISSING = [name for name in ("gradio", "playwright", "skimage") if find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"there is no browser at {CHROMIUM}"),
]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SLOW_MS = 120_000  # a busy machine is no failure


@pytest.fixture(scope="module")
def url():
    from giqa_hf.app import build
    from giqa_hf.models.giqa_tiny import TUNED

    page = build(TUNED, tiny_checkpoint())
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True)
    yield address
    page.close()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, url):
    """Opens the app in a window of a size; errors of scripts fail the test."""
    contexts, errors = [], []

    def opened(width=1280, height=1000, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url, wait_until="domcontentloaded")
        page.locator("#giqa-stage .note p").wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def choose_example(page, place=3):  # coffee.png
    page.locator("#giqa-examples button:has(img)").nth(place).click()
    page.locator("#giqa-stage .photo img").wait_for()


def drag(page, x1, y1, x2, y2):
    """Over the photo, in shares of its sides."""
    page.locator("#giqa-stage .photo").scroll_into_view_if_needed()
    area = page.locator("#giqa-stage .photo").bounding_box()
    page.mouse.move(area["x"] + x1 * area["width"], area["y"] + y1 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + x2 * area["width"], area["y"] + y2 * area["height"], steps=4)
    page.mouse.up()


def mark_percent(page):
    """Left, top, width and height of the mark over the photo."""
    style = page.locator("#giqa-stage .mark").get_attribute("style")
    return [float(re.search(rf"{side}: ([\d.]+)%", style)[1]) for side in ("left", "top", "width", "height")]


@pytest.fixture
def held(monkeypatch):
    """Answers come when this is set, each from the model as it is; they start to be made with `held.begun`."""
    real, go_on = pipeline_module.generate_batches, threading.Event()
    go_on.begun = threading.Semaphore(0)

    def slow(*arguments, **options):
        go_on.begun.release()
        assert go_on.wait(SLOW_MS / 1000)
        yield from real(*arguments, **options)

    monkeypatch.setattr(pipeline_module, "generate_batches", slow)
    yield go_on
    go_on.set()


@pytest.mark.parametrize("width", [390, 1280])
def test_the_examples_are_whole(visit, width):
    page = visit(width)
    assert page.get_by_text("giqa-tiny is a small model").is_visible()
    page.locator("#giqa-examples button:has(img)").first.wait_for()
    frame = page.locator("#giqa-examples").bounding_box()
    picture = page.locator("#giqa-examples button:has(img)").first.bounding_box()
    assert abs(picture["height"] - picture["width"]) < 2  # square
    assert 0 <= picture["y"] - frame["y"] < 20  # and above it, and below it, a margin and no more
    assert 0 <= frame["y"] + frame["height"] - picture["y"] - picture["height"] < 20


def test_describe_point_and_save(visit):
    page = visit()
    choose_example(page)
    page.locator("#giqa-describe").click()
    stage = page.locator("#giqa-stage")
    stage.locator("mark").first.wait_for()
    # Words, boxes and rows of one number, in one colour.
    assert stage.locator(".box").count() == stage.locator("tbody tr").count() > 1
    word = stage.locator("mark").first
    colour = re.search(r"--c:(#\w+)", word.get_attribute("style"))[1]
    assert colour in stage.locator('.box[data-n="1"]').first.get_attribute("style")
    # Hovering lights up what belongs together, in both directions.
    word.hover()
    assert "on" in stage.locator('.box[data-n="1"]').first.get_attribute("class").split()
    assert "on" not in (stage.locator('tr[data-n="2"]').first.get_attribute("class") or "")
    stage.locator('.box[data-n="2"]').first.hover()
    assert "on" in stage.locator("mark").nth(1).get_attribute("class").split()
    assert "on" not in (word.get_attribute("class") or "")
    with page.expect_download() as saved:
        page.locator("#giqa-json").click()
    told = json.loads(Path(saved.value.path()).read_text())
    assert saved.value.suggested_filename == "giqa-answer.json" and told["image_wh"] == [600, 400]
    assert told["model"] == "giqa-tiny" == stage.locator(".note bdi").inner_text()
    assert stage.locator("tbody tr").count() == sum(len(region["boxes_px"]) for region in told["regions"])
    assert stage.locator("mark bdi").all_inner_texts() == [region["phrase"] for region in told["regions"]]
    with page.expect_download() as saved:
        page.locator("#giqa-png").click()
    assert Image.open(saved.value.path()).size == (600, 400)


def test_mark_a_part_and_ask_about_it(visit):
    page = visit()
    choose_example(page)
    stage = page.locator("#giqa-stage")
    drag(page, 0.5, 0.5, 0.504, 0.504)  # a hand that shook
    assert stage.locator(".mark").is_hidden()
    drag(page, 0.1, 0.1, 0.9, 0.9)
    stage.locator(".unmark").click()
    assert stage.locator(".mark").is_hidden()
    drag(page, 0.32, 0.56, 0.44, 0.77)
    stage.locator(".unmark").wait_for()
    page.locator("#giqa-question textarea, #giqa-question input").first.fill("How is this region?")
    page.locator("#giqa-ask").click()
    stage.locator(".asked", has_text="How is [this region]").wait_for()
    # x 0.32 of 20 columns is column 6, 0.44 column 8; y 0.56 is row 11, 0.77 row 15: cells 226 and 308.
    assert stage.locator(".asked").inner_text() == "How is [this region](<226,308>)?"
    assert stage.locator(".said").inner_text() and stage.locator(".mark").is_visible()
    page.locator(
        "#giqa-describe"
    ).click()  # is about the whole photo, and the mark goes, for later questions too
    stage.locator("mark").first.wait_for()
    assert stage.locator(".mark").is_hidden()
    page.locator("#giqa-ask").click()
    stage.locator(".asked", has_text=re.compile("^How is this region\\?$")).wait_for()
    page.locator("#giqa-question textarea, #giqa-question input").first.fill("How? " * 101)
    page.locator("#giqa-ask").click()  # all of it arrives, and is too much
    stage.locator(".status.bad", has_text="longer than 500 characters; shorten it").wait_for()


def test_an_answer_to_an_earlier_mark_is_not_shown(visit, held):
    page = visit()
    choose_example(page)
    stage = page.locator("#giqa-stage")
    drag(page, 0.1, 0.1, 0.3, 0.3)
    stage.locator(".unmark").wait_for()
    page.locator("#giqa-ask").click()
    assert held.begun.acquire(timeout=SLOW_MS / 1000)
    drag(page, 0.32, 0.56, 0.44, 0.77)
    held.set()
    stage.locator(".status.bad", has_text="to an earlier photo or mark").wait_for()
    assert mark_percent(page) == pytest.approx([32, 56, 12, 21], abs=1)
    page.locator("#giqa-ask").click()
    stage.locator(".asked").filter(has_text="<226,308>").wait_for()  # as in the test above
    assert mark_percent(page) == pytest.approx([32, 56, 12, 21], abs=1)


@pytest.mark.parametrize("button", ["#giqa-ask", "#giqa-describe"])
def test_an_answer_to_an_earlier_photo_is_not_shown(visit, held, button):
    page = visit()
    choose_example(page)  # 600 by 400
    drag(page, 0.1, 0.1, 0.3, 0.3)
    stage = page.locator("#giqa-stage")
    stage.locator(".unmark").wait_for()
    coffee = stage.locator(".photo img").get_attribute("src")
    page.locator(button).click()
    assert held.begun.acquire(timeout=SLOW_MS / 1000)
    choose_example(page, 0)  # astronaut.png, 512 by 512
    stage.locator(f'.photo img:not([src="{coffee}"])').wait_for()
    astronaut = stage.locator(".photo img").get_attribute("src")
    held.set()
    stage.locator(".status.bad", has_text="to an earlier photo or mark").wait_for()
    assert stage.locator(".photo img").get_attribute("src") == astronaut
    assert stage.locator(".mark").is_hidden() and stage.locator("tbody tr").count() == 0
    assert page.locator("#giqa-json").is_disabled()
    page.locator("#giqa-describe").click()
    stage.locator("caption", has_text="512 by 512").wait_for()
    assert stage.locator(".photo img").get_attribute("src") == astronaut


def test_on_a_phone(visit, tmp_path):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    Image.effect_noise((400, 300), 60).save(tmp_path / "mine.png")
    page.locator("#giqa-upload input[type=file], input[type=file]").first.set_input_files(
        tmp_path / "mine.png"
    )
    stage = page.locator("#giqa-stage")
    stage.locator(".photo img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # A finger scrolls, unless it was told to mark.
    touch = page.context.new_cdp_session(page)
    stage.locator(".photo").scroll_into_view_if_needed()
    area = stage.locator(".photo").bounding_box()

    def swipe():
        points = [(area["x"] + 0.2 * area["width"], area["y"] + 0.2 * area["height"])]
        points.append((area["x"] + 0.7 * area["width"], area["y"] + 0.6 * area["height"]))
        for kind, place in (("touchStart", points[:1]), ("touchMove", points[1:]), ("touchEnd", [])):
            sent = {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in place]}
            touch.send("Input.dispatchTouchEvent", sent)

    swipe()
    assert stage.locator(".mark").is_hidden()
    stage.locator(".marking-toggle").tap()
    stage.locator(".photo").scroll_into_view_if_needed()
    area = stage.locator(".photo").bounding_box()
    swipe()
    stage.locator(".unmark").wait_for()  # which moves all below it, the button too
    # From (0.2, 0.2) to (0.7, 0.6), as the finger went: nothing moved under it.
    assert mark_percent(page) == pytest.approx([20, 20, 50, 40], abs=0.5)
    page.locator(
        "#giqa-ask"
    ).click()  # Chromium makes no click of a tap right behind touches that were sent by hand
    stage.locator(".asked", has_text="What is wrong with [this region]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_script_in_an_answer_is_not_run_and_errors_are_told(visit, monkeypatch, tmp_path):
    evil = "The [<img src=x onerror='window.hit=1'>](<0,189>) `${window.hit=2}` <script>window.hit=3</script>"

    def wicked(model, processor, image_of, prompts, order, **options):
        yield [Done(place, Said(evil, False)) for place in order]

    monkeypatch.setattr(pipeline_module, "generate_batches", wicked)
    page = visit()
    page.locator("#giqa-ask").click()
    stage = page.locator("#giqa-stage")
    stage.locator(".note", has_text="choose one first").wait_for()
    (tmp_path / "text.png").write_bytes(b"Dear <b>diary</b>")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "text.png")
    stage.locator(".note", has_text="found text that begins").wait_for()
    assert stage.locator(".note b").count() == 0 and "/tmp" not in stage.locator(".note").inner_text()
    choose_example(page)
    page.locator("#giqa-question textarea, #giqa-question input").first.fill(
        "<img src=y onerror='window.hit=4'>"
    )
    page.locator("#giqa-ask").click()
    stage.locator("mark").wait_for()
    assert "<img src=x onerror='window.hit=1'>" in stage.locator("mark bdi").inner_text()
    assert "<script>" in stage.locator(".said").inner_text() and stage.locator(".said img").count() == 0
    stage.locator("mark").hover()
    assert page.evaluate("window.hit") is None
    # The other checkpoint, of random weights.
    page.locator("#giqa-model input").first.click()
    page.get_by_role("option").nth(1).click()
    page.locator("#giqa-describe").click()
    stage.locator(".asked", has_text="Describe how good").wait_for()
