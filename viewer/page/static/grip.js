// The border between names and bars, which can be dragged.

const fall = document.querySelector("#fall");
const key = "waybill.names";

// store and stored keep the width for the next trace, where that is allowed.
function store(share) {
  try {
    localStorage.setItem(key, share);
  } catch { /* a browser that keeps nothing */ }
}

function stored() {
  try {
    return Number(localStorage.getItem(key));
  } catch {
    return 0;
  }
}

function set(share) {
  const bounded = Math.min(Math.max(share, 0.12), 0.8);
  fall.style.setProperty("--names", `${(bounded * 100).toFixed(1)}%`);
  return bounded;
}

if (fall) {
  if (stored() > 0) {
    set(stored());
  }
  const grip = fall.appendChild(document.createElement("div"));
  grip.className = "grip";
  grip.title = "Drag to make names wider or narrower";
  grip.addEventListener("pointerdown", (event) => grip.setPointerCapture(event.pointerId));
  grip.addEventListener("pointermove", (event) => {
    if (grip.hasPointerCapture(event.pointerId)) {
      const box = fall.getBoundingClientRect();
      store(set((event.clientX - box.left) / box.width));
    }
  });
}
