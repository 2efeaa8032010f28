// The panel of the selected span, fetched when a row is selected.
import { offerCopying } from "./copy.js";
import { reveal } from "./fold.js";
import { grid, focus, idOf, rowOf, select, selected } from "./rows.js";

const panel = document.querySelector("#panel");
const split = document.querySelector(".split");
let turn = 0; // tells a late answer from the one that is waited for

export const isOpen = () => Boolean(panel && !panel.hidden);

// open selects the row and shows its span.
export async function open(row) {
  const mine = ++turn;
  reveal(row);
  select(row);
  const query = new URLSearchParams(location.search);
  query.set("part", "1");
  try {
    const answer = await fetch(`${location.pathname}/span/${idOf(row)}?${query}`);
    const text = await answer.text();
    if (mine !== turn) {
      return;
    }
    if (!answer.ok) {
      throw new Error(answer.statusText);
    }
    const part = new DOMParser().parseFromString(text, "text/html");
    panel.replaceChildren(...part.body.childNodes);
  } catch {
    if (mine === turn) {
      location.reload(); // the page that the server makes says what is wrong
    }
    return;
  }
  offerCopying(panel);
  panel.hidden = false;
  panel.scrollTop = 0;
  split.classList.add("open");
  row.scrollIntoView({ block: "nearest" });
}

export function close() {
  turn++;
  const row = selected();
  select(null);
  panel.hidden = true;
  panel.replaceChildren();
  split.classList.remove("open");
  if (row) {
    focus(row);
  }
}

// stays says that the address is of the waterfall that is shown.
function stays(url) {
  const here = new URL(location.href);
  const same = (name) => url.searchParams.get(name) === here.searchParams.get(name);
  return url.origin === here.origin && url.pathname === here.pathname && same("root") && same("view");
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
    return;
  }
  const link = event.target.closest("a[href]");
  const url = link && new URL(link.href);
  if (link?.matches("#panel .close")) {
    event.preventDefault();
    close();
    return;
  }
  const row = link ? stays(url) && rowOf(url.searchParams.get("span")) : event.target.closest("#rows .row[id]");
  if (!row || !grid || String(getSelection()) !== "") {
    return;
  }
  event.preventDefault();
  reveal(row);
  focus(row);
  open(row);
});
