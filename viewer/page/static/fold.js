// Subtrees that fold.
import { grid, levelOf, rows } from "./rows.js";

export const folds = (row) => row.hasAttribute("aria-expanded");
export const isFolded = (row) => row.getAttribute("aria-expanded") === "false";

// fold folds or unfolds rows and then shows what is to be seen.
export function fold(list, folded) {
  for (const row of list) {
    if (folds(row)) {
      row.setAttribute("aria-expanded", String(!folded));
    }
  }
  let hiddenBelow = Infinity; // the level of the folded row that hides what follows
  for (const row of rows) {
    const level = levelOf(row);
    row.hidden = level > hiddenBelow;
    if (!row.hidden) {
      hiddenBelow = isFolded(row) ? level : Infinity;
    }
  }
}

// parentOf is the row above that the row belongs to.
export function parentOf(row) {
  for (let i = rows.indexOf(row) - 1; i >= 0; i--) {
    if (levelOf(rows[i]) < levelOf(row)) {
      return rows[i];
    }
  }
  return null;
}

// reveal unfolds what hides the row.
export function reveal(row) {
  const hiding = [];
  for (let above = parentOf(row); above; above = parentOf(above)) {
    hiding.push(above);
  }
  if (hiding.some(isFolded)) {
    fold(hiding, false);
  }
}

// keepReachable lets Tab reach a row although the one that it reached is hidden.
function keepReachable() {
  const reachable = grid.querySelector('.row[tabindex="0"]');
  if (reachable?.hidden) {
    reachable.tabIndex = -1;
    rows[0].tabIndex = 0;
  }
}

grid?.addEventListener("click", (event) => {
  const row = event.target.closest(".fold")?.closest(".row");
  if (row) {
    event.stopPropagation();
    fold([row], !isFolded(row));
    keepReachable();
  }
});

const bar = document.querySelector(".folds");
if (bar) {
  bar.hidden = false;
  bar.addEventListener("click", (event) => {
    switch (event.target.dataset.fold) {
      case "all":
        fold(rows.filter((row) => levelOf(row) > 1), true);
        break;
      case "none":
        fold(rows, false);
        break;
    }
    keepReachable();
  });
  bar.querySelector("#critical")?.addEventListener("change", (event) => {
    grid.classList.toggle("critical", event.target.checked);
  });
}
