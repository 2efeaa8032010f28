// The service map: a choice shows at once, and a node under the pointer or
// with the focus brings out its calls.
import "./live.js";

document.querySelector(".bar form").addEventListener("change", (event) => event.currentTarget.requestSubmit());

function pick(target) {
  const map = document.querySelector("#map");
  const node = target?.closest?.(".node, #map a")?.closest("a, .node");
  const picked = node && (node.dataset.node ?? node.querySelector(".node")?.dataset.node);
  if (!map) {
    return;
  }
  map.classList.toggle("picked", picked !== undefined && picked !== null);
  const near = new Set([picked]);
  for (const edge of map.querySelectorAll(".edge")) {
    const { from, to } = edge.dataset;
    const touches = from === picked || to === picked;
    edge.classList.toggle("near", touches);
    if (touches) {
      near.add(from).add(to);
    }
  }
  for (const each of map.querySelectorAll(".node")) {
    each.classList.toggle("near", near.has(each.dataset.node));
  }
}

for (const event of ["pointerover", "focusin"]) {
  document.addEventListener(event, ({ target }) => pick(target));
}
