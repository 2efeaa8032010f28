// The rows of the waterfall: where they are, which one is selected, and what
// the page's address says of it.

export const grid = document.querySelector("#rows");
export const rows = grid ? [...grid.querySelectorAll(".row")] : [];

const levels = new Map(rows.map((row) => [row, Number(row.getAttribute("aria-level"))]));

export const levelOf = (row) => levels.get(row);
export const idOf = (row) => row.id.slice(1);
export const rowOf = (id) => (id ? document.getElementById("s" + id) : null);
export const selected = () => grid?.querySelector(".row.on") ?? null;

// An address that always says what is shown can be shared as it is.
export function remember(name, value, hash = location.hash) {
  const url = new URL(location.href);
  url.hash = hash;
  if (value) {
    url.searchParams.set(name, value);
  } else {
    url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
}

// select marks one row, or none.
export function select(row) {
  const before = selected();
  before?.classList.remove("on");
  before?.removeAttribute("aria-selected");
  row?.classList.add("on");
  row?.setAttribute("aria-selected", "true");
  remember("span", row ? idOf(row) : "", row?.id ?? "");
}

// One row at a time can be reached with the Tab key; arrows lead to the others.
export function focus(row) {
  for (const each of grid.querySelectorAll('.row[tabindex="0"]')) {
    each.tabIndex = -1;
  }
  row.tabIndex = 0;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

// A name that is cut off is told by its title.
grid?.addEventListener("pointerover", ({ target }) => {
  const link = target.closest(".n a");
  if (link && !link.title && link.scrollWidth > link.clientWidth) {
    link.title = link.textContent;
  }
});

for (const row of rows) {
  row.tabIndex = -1;
  for (const link of row.querySelectorAll("a")) {
    link.tabIndex = -1;
  }
}
if (rows.length > 0) {
  (selected() ?? rows[0]).tabIndex = 0;
  document.documentElement.classList.add("scripted");
}
