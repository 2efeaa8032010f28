// The search: a choice searches at once, and "Live" keeps the results fresh.

const form = document.querySelector(".filters");
const every = 3000; // milliseconds between two looks

form.addEventListener("change", (event) => {
  if (event.target.matches("select, input[type=checkbox]")) {
    if (event.target.name === "service") {
      form.elements.operation.value = "";
    }
    form.requestSubmit();
  }
});

// An address without the fields that are empty is easier to read and to share.
form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) {
    if (value === "") {
      event.formData.delete(name);
    }
  }
});

function busy(results) {
  return document.hidden || results.matches(":focus-within") || String(getSelection()) !== "";
}

async function refresh() {
  const results = document.querySelector("#results[data-live]");
  if (!results) {
    return;
  }
  if (!busy(results)) {
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("#results");
      if (answer.ok && fresh) {
        results.replaceChildren(...fresh.childNodes);
        results.classList.remove("stale");
      }
    } catch {
      results.classList.add("stale"); // the viewer is away; the next look may find it
    }
  }
  setTimeout(refresh, every);
}

setTimeout(refresh, every);
