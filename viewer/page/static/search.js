// The search: a choice searches at once, and addresses stay short.
import "./live.js";

const form = document.querySelector(".filters");

form.addEventListener("change", (event) => {
  if (event.target.matches("select, input[type=checkbox]")) {
    if (event.target.name === "service") {
      form.elements.operation.value = "";
    }
    form.requestSubmit();
  }
});

form.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) {
    if (value === "") {
      event.formData.delete(name);
    }
  }
});
