// The part of the time that is shown: drag over the overview to choose it.

const fall = document.querySelector("#fall");
const over = document.querySelector("#over");
const whole = Number(over?.dataset.whole); // nanoseconds
const least = 1e-4; // of the whole

// format writes a duration as the server does.
function format(ns) {
  const units = [["ns", 1], ["µs", 1e3], ["ms", 1e6], ["s", 1e9]];
  const [unit, size] = units.findLast(([, each]) => ns >= each) ?? units[0];
  const value = ns / size;
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return ns === 0 ? "0" : `${Number(value.toFixed(digits))} ${unit}`;
}

// ticks are round times between two, all of them in nanoseconds.
function ticks(from, to) {
  const rough = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(power * [1, 2, 5, 10].find((each) => each * power >= rough * (1 - 1e-9)), 1);
  const list = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    list.push(at);
  }
  return list;
}

function svg(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.textContent = text;
  return made;
}

function start() {
  const pane = over.appendChild(document.createElement("div"));
  pane.className = "window";
  pane.hidden = true;
  const reset = over.appendChild(document.createElement("button"));
  reset.type = "button";
  reset.className = "unzoom";
  reset.textContent = "Whole time";
  reset.hidden = true;
  const axis = fall.querySelector(".axis");
  const rules = fall.querySelector(".rules svg");

  const outline = (from, to) => {
    pane.hidden = from === 0 && to === 1;
    pane.style.left = `${from * 100}%`;
    pane.style.width = `${(to - from) * 100}%`;
  };
  // show shows from one share of the whole to another.
  const show = (from, to) => {
    outline(from, to);
    reset.hidden = pane.hidden;
    fall.style.setProperty("--from", String(from));
    fall.style.setProperty("--zoom", String(1 / (to - from)));
    const list = ticks(from * whole, to * whole);
    const fits = (at) => at / whole < from + (to - from) * 0.92;
    const x = (at) => `${(at / whole) * 100}%`;
    axis.replaceChildren(...list.map((at) => svg("text", { x: x(at), y: 14 }, fits(at) ? format(at) : "")));
    rules.replaceChildren(...list.map((at) => svg("line", { x1: x(at), x2: x(at), y2: "100%" })));
  };
  const shareAt = (event) => {
    const box = over.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  };

  const mini = over.querySelector(".mini");
  let shown = [0, 1];
  let anchor = null;
  mini.addEventListener("pointerdown", (event) => {
    anchor = shareAt(event);
    mini.setPointerCapture(event.pointerId);
  });
  mini.addEventListener("pointermove", (event) => {
    if (anchor !== null) {
      outline(Math.min(anchor, shareAt(event)), Math.max(anchor, shareAt(event)));
    }
  });
  const settle = (event) => {
    if (anchor === null) {
      return;
    }
    const [from, to] = [Math.min(anchor, shareAt(event)), Math.max(anchor, shareAt(event))];
    anchor = null;
    if (to - from > 0.004) { // a click is no drag
      shown = [from, to];
    }
    show(...shown);
  };
  mini.addEventListener("pointerup", settle);
  mini.addEventListener("pointercancel", settle);
  const all = () => show(...(shown = [0, 1]));
  mini.addEventListener("dblclick", all);
  reset.addEventListener("click", all);

  // A double click on a bar brings it to full width.
  fall.addEventListener("dblclick", (event) => {
    const bar = event.target.closest(".t")?.querySelector("rect");
    if (bar) {
      getSelection().empty();
      const [x, width] = ["x", "width"].map((name) => parseFloat(bar.getAttribute(name)) / 100);
      const margin = Math.max(width * 0.1, least);
      shown = [Math.max(x - margin, 0), Math.min(x + width + margin, 1)];
      show(...shown);
    }
  });
}

if (whole > 0) {
  start();
}
