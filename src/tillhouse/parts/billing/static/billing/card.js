// Has the payment company's script make a token of a card: its number goes to them and never to us.
(function () {
  "use strict";
  const form = document.querySelector("form[data-card-script]");
  const wrong = document.getElementById("card-error");

  function say(text) {
    wrong.hidden = !text;
    wrong.querySelector("[data-text]").textContent = text || "";
    form.querySelectorAll("[aria-busy]").forEach(function (button) { button.removeAttribute("aria-busy"); });
  }

  function card() {
    const typed = {};
    form.querySelectorAll("[data-omise]").forEach(function (field) { typed[field.dataset.omise] = field.value.trim(); });
    const until = (typed.expiry || "").split("/");
    return {
      name: typed.holder_name,
      number: typed.number.replace(/\s/g, ""),
      expiration_month: Number(until[0]),
      expiration_year: 2000 + Number((until[1] || "").trim().slice(-2)),
      security_code: typed.security_code,
    };
  }

  form.addEventListener("submit", function (event) {
    event.preventDefault();
    say("");
    if (!window.Omise) return say(form.dataset.unreachable);
    window.Omise.setPublicKey(form.dataset.key);
    window.Omise.createToken("card", card(), function (status, answer) {
      if (status !== 200 || answer.object === "error") return say(answer.message || form.dataset.unreachable);
      form.elements.token.value = answer.id;
      form.submit();
    });
  });
})();
