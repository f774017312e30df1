// The chat without reloading: what is tapped is sent, and what arrives is shown. Without it the forms do the same.
const here = location.href;
const list = document.getElementById("messages");

function toTheEnd() {
  list.scrollTop = list.scrollHeight;
}

// Whoever reads further up is left there.
function isAtTheEnd() {
  return list.scrollHeight - list.scrollTop - list.clientHeight < 80;
}

async function look({ follow = isAtTheEnd() } = {}) {
  const answer = await fetch(here, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById("messages");
  document.getElementById("presence").textContent = page.getElementById("presence").textContent;
  if (now.innerHTML === list.dataset.seen) return;
  const picking = list.querySelector("details[open]");
  if (!picking || now.children.length !== list.children.length) {
    list.innerHTML = now.innerHTML;
    if (follow) toTheEnd();
  }
  list.dataset.seen = now.innerHTML;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.classList.contains("tap")) return;
  event.preventDefault();
  const body = new FormData(form);
  form.reset();
  await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  await look({ follow: true });
});

document.getElementById("file").addEventListener("change", (event) => event.target.form.requestSubmit());
// Pictures have their height once they are here.
list.addEventListener("load", () => { if (list.dataset.end) toTheEnd(); }, true);
list.addEventListener("scroll", () => { list.dataset.end = isAtTheEnd() ? "yes" : ""; });
list.dataset.end = "yes";
list.dataset.seen = list.innerHTML;
addEventListener("resize", () => { if (list.dataset.end) toTheEnd(); });
toTheEnd();
setInterval(look, 1000);
