// Keeps #results fresh while it says data-live. It waits while somebody reads:
// while the page is hidden, a link in the results has the focus, the pointer
// rests on a drawing, or text is selected.

const every = 3000; // milliseconds between two looks

function busy(results) {
  return document.hidden || results.matches(":focus-within") || results.querySelector("svg a:hover") || String(getSelection()) !== "";
}

async function look(results) {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("#results");
  if (answer.ok && fresh) {
    results.replaceChildren(...fresh.childNodes);
  }
  return answer.ok;
}

async function refresh() {
  const results = document.querySelector("#results[data-live]");
  if (!results) {
    return;
  }
  if (!busy(results)) {
    // When the viewer is away, the next look may find it.
    const found = await look(results).catch(() => false);
    results.classList.toggle("stale", !found);
  }
  setTimeout(refresh, every);
}

setTimeout(refresh, every);
