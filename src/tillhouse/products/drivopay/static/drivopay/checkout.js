// Opens the gateway's checkout over our page. Without it the same form leads to the gateway's own page.
(function () {
  "use strict";
  let loading = null;

  function load(address) {
    loading = loading || new Promise(function (resolve, reject) {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = function () { loading = null; reject(new Error("not loaded")); };
      document.head.append(script);
    });
    return loading;
  }

  function idle(form) {
    form.querySelectorAll("[aria-busy]").forEach(function (button) { button.removeAttribute("aria-busy"); });
  }

  function open(form) {
    const paid = document.getElementById("paid");
    let left = form.dataset.left;
    const options = Object.assign(JSON.parse(form.dataset.checkout), {
      handler: function (answer) {
        for (const name of ["razorpay_order_id", "razorpay_payment_id", "razorpay_signature"]) {
          paid.elements[name].value = answer[name];
        }
        paid.submit();
      },
      modal: { ondismiss: function () { window.location.assign(left); } },
    });
    load(form.dataset.script)
      .then(function () {
        idle(form);
        const checkout = new window.Razorpay(options);
        // The checkout offers another try by itself; whoever leaves after this has tried, and is told so.
        checkout.on("payment.failed", function () { left = form.dataset.declined; });
        checkout.open();
      })
      .catch(function () { form.submit(); });
  }

  document.addEventListener("submit", function (event) {
    if (!event.target.matches("form[data-checkout]")) return;
    event.preventDefault();
    open(event.target);
  });

  const first = document.querySelector("form[data-checkout][data-open]");
  if (first) {
    // Once: going back or loading again shows the page, not the checkout.
    window.history.replaceState(null, "", window.location.pathname);
    open(first);
  }
})();
