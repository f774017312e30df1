// A button that may be pressed again only after a while says how long: <button data-countdown="30">.
for (const button of document.querySelectorAll("[data-countdown]")) {
  const until = Date.now() + Number(button.dataset.countdown) * 1000;
  const seconds = document.createElement("span");
  button.append(seconds);
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    seconds.textContent = left > 0 ? ` (${left})` : "";
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
}
