// The keyboard: see "Keyboard" at the foot of the page.
import { fold, folds, isFolded, parentOf } from "./fold.js";
import { next } from "./find.js";
import { close, isOpen, open } from "./panel.js";
import { focus, grid, levelOf, rows } from "./rows.js";

const pause = 150; // milliseconds to rest on a row before its span is fetched
let resting = 0;

const visible = () => rows.filter((row) => !row.hidden);

// go moves to a row; an open panel follows.
function go(row) {
  if (!row) {
    return;
  }
  focus(row);
  clearTimeout(resting);
  if (isOpen() && row.id) {
    resting = setTimeout(() => open(row), pause);
  }
}

function move(row, key) {
  const list = visible();
  const at = list.indexOf(row);
  switch (key) {
    case "ArrowDown":
    case "j":
      return go(list[at + 1]);
    case "ArrowUp":
    case "k":
      return go(list[at - 1]);
    case "Home":
      return go(list[0]);
    case "End":
      return go(list.at(-1));
    case "ArrowRight":
      if (folds(row) && isFolded(row)) {
        return fold([row], false);
      }
      return folds(row) && levelOf(list[at + 1] ?? row) > levelOf(row) ? go(list[at + 1]) : undefined;
    case "ArrowLeft":
      return folds(row) && !isFolded(row) ? fold([row], true) : go(parentOf(row));
    case "Enter":
    case " ":
      return row.id ? open(row) : undefined;
  }
  return false;
}

const everywhere = {
  "/": () => document.querySelector("#find")?.focus(),
  Escape: () => isOpen() && close(),
  e: () => next("failed", 1),
  E: () => next("failed", -1),
  n: () => next("found", 1),
  N: () => next("found", -1),
};

document.addEventListener("keydown", (event) => {
  if (!grid || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const { target, key } = event;
  if (target.matches("input, textarea, select")) {
    if (key === "Escape") {
      target.blur();
    }
    return;
  }
  const row = target.closest("#rows .row");
  if (row && move(row, key) !== false) {
    event.preventDefault();
    return;
  }
  if (Object.hasOwn(everywhere, key)) {
    event.preventDefault();
    everywhere[key]();
  }
});
