// Tells the page that opened checkout what happened; without it the person presses the buttons.
(function () {
  "use strict";
  const LOOK_AT_IT_MS = 700;
  const origin = document.body.dataset.origin;
  const result = document.querySelector("[data-event]");

  function tell(event, payload) {
    if (window.parent === window || !origin) return false;
    window.parent.postMessage({ source: "razorpay-sandbox", event: event, payload: payload }, origin);
    return true;
  }

  function finish() {
    const event = result.dataset.event;
    const form = result.querySelector("form.callback");
    const link = result.querySelector("a.callback");
    if (tell(event, JSON.parse(result.dataset.result)) || event !== "success") return;
    if (form) form.submit();
    else if (link) window.location.assign(link.href);
  }

  // The page around this frame does not see keys pressed in here.
  document.addEventListener("keydown", function (key) {
    if (key.key === "Escape") tell("escape", {});
  });
  if (result) window.setTimeout(finish, result.dataset.event === "success" ? LOOK_AT_IT_MS : 0);
})();
