// Runs once per page, with Gradio's `element`, `props`, `trigger` and `watch`. All is in a shadow root: Gradio renders
// its own template anew whenever the value changes, and would remove what it did not put there.
const root = element.shadowRoot ?? element.attachShadow({ mode: "open" });
root.innerHTML = `<style>${css}</style>
<div class="layout">
  <div class="left">
    <div class="tools" hidden>
      <button type="button" class="marking-toggle" aria-pressed="false">Mark a part</button>
      <button type="button" class="unmark" hidden>Remove the mark</button>
      <span class="hint">then drag over the photo</span>
    </div>
    <div class="photo" hidden><img alt="The photo" draggable="false"><div class="boxes"></div><div class="mark" hidden></div></div>
  </div>
  <div class="right">
    <p class="asked" dir="auto"></p>
    <p class="said" dir="auto" aria-live="polite"></p>
    <div class="note"></div>
    <div class="scroll"></div>
  </div>
</div>`;
const find = (selector) => root.querySelector(selector);
const photo = find(".photo"), drawn = find(".mark"), toggle = find(".marking-toggle"), unmark = find(".unmark");
let start = null, area = null, late = false, pinned = null, mark = null;

function setMarking(on) {
  toggle.setAttribute("aria-pressed", String(on));
  photo.classList.toggle("marking", on);
}

function showMark(box) {
  unmark.hidden = !box;
  find(".hint").textContent = box ? "your question is about the marked part" : "then drag over the photo";
  drawMark(box);
}

// The rectangle alone: button and hint may wrap into a further line, which moves the photo.
function drawMark(box) {
  drawn.hidden = !box;
  if (!box) return;
  const [x1, y1, x2, y2] = box.map((value) => 100 * value);
  Object.assign(drawn.style, { left: `${x1}%`, top: `${y1}%`, width: `${x2 - x1}%`, height: `${y2 - y1}%` });
}

// The strings below come from the server, which has escaped all that a person or a model wrote.
function render() {
  late = start !== null;
  if (late) return;  // not under a hand that is drawing
  const shown = props.value ?? {};
  if (shown.mark === undefined) shown.mark = mark;  // an answer leaves it as it is
  mark = shown.mark;
  photo.hidden = find(".tools").hidden = !shown.photo;
  if (shown.photo && find("img").src !== shown.photo) find("img").src = shown.photo;
  find(".layout").classList.toggle("answered", Boolean(shown.said));
  find(".boxes").innerHTML = shown.boxes ?? "";
  find(".asked").innerHTML = shown.asked ?? "";
  find(".said").innerHTML = shown.said ?? "";
  find(".note").innerHTML = shown.note ?? "";
  find(".scroll").innerHTML = shown.table ?? "";
  for (const word of root.querySelectorAll("mark")) {
    word.dataset.n = word.querySelector(".n").textContent;
    word.tabIndex = 0;
  }
  pinned = null;
  choose(null);
  setMarking(false);
  showMark(mark);
}

// Box, phrase and row of one number light up together, whichever of them is pointed at.
function choose(number) {
  find(".layout").classList.toggle("chosen", number !== null && root.querySelector(`.box[data-n="${number}"]`) !== null);
  for (const part of root.querySelectorAll("[data-n]")) part.classList.toggle("on", part.dataset.n === number);
}
const numberAt = (event) => event.target.closest?.("[data-n]")?.dataset.n ?? null;
root.addEventListener("pointerover", (event) => { if (!start) choose(numberAt(event) ?? pinned); });
root.addEventListener("pointerleave", () => choose(pinned));
root.addEventListener("focusin", (event) => choose(numberAt(event) ?? pinned));
root.addEventListener("click", (event) => {  // a finger does not hover
  const number = numberAt(event);
  pinned = number === pinned ? null : number;
  choose(pinned ?? (event.pointerType === "mouse" ? number : null));
});

// Of the page, not of the window, which may scroll; and taken once, so that a rectangle has one measure.
function measure() {
  const { left, top, width, height } = photo.getBoundingClientRect();
  return { left: left + window.scrollX, top: top + window.scrollY, width, height };
}
function at(event) {
  const inside = (value) => Math.min(Math.max(value, 0), 1);
  return [inside((event.pageX - area.left) / area.width), inside((event.pageY - area.top) / area.height)];
}
function boxTo(event) {
  const [x, y] = at(event);
  return [Math.min(start[0], x), Math.min(start[1], y), Math.max(start[0], x), Math.max(start[1], y)];
}
photo.addEventListener("pointerdown", (event) => {
  // A finger scrolls the page unless it was told to mark.
  if (event.button !== 0 || !event.isPrimary || (event.pointerType !== "mouse" && !photo.classList.contains("marking"))) return;
  area = measure();
  start = at(event);
  photo.setPointerCapture(event.pointerId);
  event.preventDefault();
});
photo.addEventListener("pointermove", (event) => { if (start) drawMark(boxTo(event)); });
function ended() {
  start = null;
  if (late) render();
}
function setMark(box) {
  mark = box;
  if (props.value) props.value.mark = box;
  showMark(box);
  trigger("input", { box });
}
photo.addEventListener("pointerup", (event) => {
  if (!start) return;
  const box = boxTo(event), before = find("img").src;
  ended();
  // A click, or a hand that shook, marks nothing.
  if ((box[2] - box[0]) * area.width < 8 || (box[3] - box[1]) * area.height < 8 || find("img").src !== before) return showMark(mark);
  setMarking(false);
  setMark(box);
});
photo.addEventListener("pointercancel", () => { ended(); showMark(mark); });
toggle.addEventListener("click", () => setMarking(toggle.getAttribute("aria-pressed") !== "true"));
unmark.addEventListener("click", () => setMark(null));

watch("value", render);
render();
