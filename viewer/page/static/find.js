// Search within the trace, and steps from match to match and error to error.
import { focus, rows, rowOf, grid, idOf, remember, selected } from "./rows.js";
import { reveal } from "./fold.js";
import { open } from "./panel.js";

const form = document.querySelector(".find");
const status = document.querySelector("#hits");
const page = Number(grid?.dataset.page);
let known = null; // the server's answer: { found, failed }
let asked = new URLSearchParams(location.search).get("find") ?? "";

// lookUp asks the server, which sees the spans of all pages and their logs.
async function lookUp() {
  const query = new URLSearchParams(location.search);
  const answer = await fetch(`${location.pathname}/matches?${query}`);
  if (!answer.ok) {
    throw new Error(answer.statusText);
  }
  known = await answer.json();
}

// place is where the list goes on from the selected row: the index of its own
// entry or, halfway, between those before and after it.
function place(list) {
  const at = selected() ?? (document.activeElement?.matches("#rows .row[id]") ? document.activeElement : null);
  if (!at) {
    return -0.5;
  }
  const exact = list.findIndex(({ span }) => span === idOf(at));
  if (exact >= 0) {
    return exact;
  }
  const order = rows.indexOf(at);
  const after = list.findIndex((each) => each.page > page || (each.page === page && rows.indexOf(rowOf(each.span)) > order));
  return (after < 0 ? list.length : after) - 0.5;
}

// step goes to the next entry of the list, or the one before; round the end
// it begins again.
async function step(kind, direction) {
  if (!known) {
    await lookUp();
  }
  const list = known[kind];
  if (list.length === 0) {
    return;
  }
  const from = place(list);
  const to = direction > 0 ? Math.floor(from) + 1 : Math.ceil(from) - 1;
  const index = (to + list.length) % list.length;
  const { span } = list[index];
  const row = rowOf(span);
  if (!row) { // on another page
    const url = new URL(location.href);
    url.searchParams.delete("page");
    url.searchParams.set("span", span);
    url.hash = "s" + span;
    location.assign(url);
    return;
  }
  reveal(row);
  focus(row);
  open(row);
  if (kind === "found") {
    status.textContent = `${index + 1} of ${list.length}`;
  }
}

export const next = (kind, direction) => step(kind, direction).catch(() => location.reload());

async function find() {
  const text = form.elements.find.value.trim();
  if (text === asked && text !== "") {
    await step("found", 1);
    return;
  }
  asked = text;
  remember("find", text);
  await lookUp();
  const hits = new Set(known.found.map(({ span }) => "s" + span));
  for (const row of rows) {
    row.classList.toggle("hit", hits.has(row.id));
  }
  document.querySelector("#hit-steps").hidden = hits.size === 0;
  status.textContent = text === "" ? "" : hits.size === 0 ? "none found" : `${hits.size} found`;
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  find().catch(() => form.submit()); // which leads to the page that says why
});

for (const [selector, kind] of [["#hit-steps", "found"], ["#error-steps", "failed"]]) {
  document.querySelector(selector)?.addEventListener("click", (event) => {
    const link = event.target.closest("[data-step]");
    if (link) {
      event.preventDefault();
      next(kind, link.dataset.step === "next" ? 1 : -1);
    }
  });
}
