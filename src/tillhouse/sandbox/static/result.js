// Tells the page that opened checkout what happened; without it the person presses the button.
(function () {
  "use strict";
  const LOOK_AT_IT_MS = 700;
  const section = document.querySelector("[data-event]");
  const { event, origin, result } = section.dataset;
  const finish = function () {
    if (window.parent !== window && origin) {
      const message = { source: "razorpay-sandbox", event: event, payload: JSON.parse(result) };
      window.parent.postMessage(message, origin);
    } else if (event === "success") {
      const form = section.querySelector("form.callback");
      if (form) form.submit();
    }
  };
  if (event === "success") window.setTimeout(finish, LOOK_AT_IT_MS);
  else finish();
})();
