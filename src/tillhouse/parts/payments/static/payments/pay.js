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

  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (!form.matches("form[data-checkout]")) return;
    event.preventDefault();
    const back = document.getElementById("back");
    const options = Object.assign(JSON.parse(form.dataset.checkout), {
      handler: function (answer) {
        for (const [name, value] of Object.entries(answer)) {
          const field = document.createElement("input");
          field.type = "hidden";
          field.name = name;
          field.value = value;
          back.append(field);
        }
        back.submit();
      },
      modal: { ondismiss: function () { window.location.assign(back.action); } },
    });
    load(form.dataset.script)
      .then(function () {
        form.querySelectorAll("[aria-busy]").forEach(function (button) { button.removeAttribute("aria-busy"); });
        new window.Razorpay(options).open();
      })
      .catch(function () { form.submit(); });
  });
})();
