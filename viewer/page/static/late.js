// Says when more spans of a fresh trace have come, and leaves it to the reader
// to show them: a page that moves by itself is hard to read.

const head = document.querySelector(".head[data-fresh]");
const notice = document.querySelector("#late");
const every = 3000; // milliseconds between two looks
const looks = 20;

async function look(left) {
  const answer = await fetch(`${location.pathname}/matches`);
  if (!answer.ok) {
    return;
  }
  const { spans } = await answer.json();
  const more = spans - Number(head.dataset.fresh);
  if (more > 0) {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Show them";
    link.addEventListener("click", (event) => {
      event.preventDefault();
      location.reload(); // which a link to a place in this page would not do
    });
    notice.replaceChildren(`${more} more ${more === 1 ? "span has" : "spans have"} come. `, link);
    notice.hidden = false;
  }
  wait(left - 1);
}

function wait(left) {
  if (left > 0) {
    setTimeout(() => look(left).catch(() => {}), every); // the viewer is away: nothing to say
  }
}

if (head) {
  wait(looks);
}
