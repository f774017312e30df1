// The chat without reloading: what is tapped is sent, and what arrives is shown. Without it the forms do the same.
const here = location.href;

function toTheEnd() {
  const list = document.getElementById("messages");
  list.scrollTop = list.scrollHeight;
}

async function look() {
  const answer = await fetch(here, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const now = page.getElementById("messages");
  const shown = document.getElementById("messages");
  document.getElementById("presence").textContent = page.getElementById("presence").textContent;
  if (now.innerHTML !== shown.dataset.seen) {
    const picking = shown.querySelector("details[open]");
    if (!picking || now.children.length !== shown.children.length) {
      shown.innerHTML = now.innerHTML;
      toTheEnd();
    }
    shown.dataset.seen = now.innerHTML;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.classList.contains("tap")) return;
  event.preventDefault();
  const body = new FormData(form);
  if (form.classList.contains("text")) form.reset();
  await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  await look();
});

document.getElementById("file").addEventListener("change", (event) => event.target.form.requestSubmit());
toTheEnd();
setInterval(look, 1000);
