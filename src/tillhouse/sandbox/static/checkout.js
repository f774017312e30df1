// Razorpay Checkout as the Tillhouse sandbox plays it: new Razorpay(options).open().
(function () {
  "use strict";
  const home = new URL(document.currentScript.src).origin;
  const DIALOG_CSS = `
    dialog.razorpay-sandbox { border: 0; padding: 0; margin: auto; width: 100%; height: 100%; max-width: none; max-height: none; background: transparent; }
    dialog.razorpay-sandbox::backdrop { background: rgb(15 23 42 / 0.6); }
    dialog.razorpay-sandbox iframe { border: 0; display: block; width: 100%; height: 100%; background: Canvas; }
    @media (min-width: 30rem) {
      dialog.razorpay-sandbox { width: 26rem; height: min(48rem, 94vh); border-radius: 1rem; overflow: hidden; box-shadow: 0 20px 60px rgb(0 0 0 / 0.35); }
    }`;
  let styled = false;

  function Razorpay(options) {
    if (!options || !options.key) throw new Error("Razorpay: `key` is required");
    if (!options.order_id) throw new Error("Razorpay: `order_id` is required");
    this.options = options;
    this.listeners = {};
    this.dialog = null;
    this.receive = this.receive.bind(this);
  }

  Razorpay.prototype.on = function (event, listener) {
    (this.listeners[event] = this.listeners[event] || []).push(listener);
    return this;
  };

  Razorpay.prototype.emit = function (event, payload) {
    (this.listeners[event] || []).forEach(function (listener) { listener(payload); });
  };

  Razorpay.prototype.open = function () {
    if (this.options.redirect && this.options.callback_url) {
      window.location.assign(address(this.options, true));
      return;
    }
    if (this.dialog) return;
    style();
    const frame = document.createElement("iframe");
    frame.title = "Razorpay Checkout";
    frame.src = address(this.options, false);
    this.dialog = document.createElement("dialog");
    this.dialog.className = "razorpay-sandbox";
    this.dialog.append(frame);
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.escape();
    });
    document.body.append(this.dialog);
    window.addEventListener("message", this.receive);
    this.dialog.showModal();
  };

  Razorpay.prototype.receive = function (event) {
    const frame = this.dialog && this.dialog.querySelector("iframe");
    if (!frame || event.origin !== home || event.source !== frame.contentWindow) return;
    if (!event.data || event.data.source !== "razorpay-sandbox") return;
    if (event.data.event === "success") this.succeed(event.data.payload);
    else if (event.data.event === "failed") this.emit("payment.failed", event.data.payload);
    else if (event.data.event === "dismissed") this.dismiss();
    else if (event.data.event === "escape") this.escape();
  };

  Razorpay.prototype.escape = function () {
    if (!this.options.modal || this.options.modal.escape !== false) this.dismiss();
  };

  Razorpay.prototype.succeed = function (payload) {
    this.close();
    if (typeof this.options.handler === "function") this.options.handler(payload);
    else if (this.options.callback_url) post(this.options.callback_url, payload);
  };

  Razorpay.prototype.dismiss = function () {
    this.close();
    const modal = this.options.modal;
    if (modal && typeof modal.ondismiss === "function") modal.ondismiss();
  };

  Razorpay.prototype.close = function () {
    if (!this.dialog) return;
    window.removeEventListener("message", this.receive);
    this.dialog.close();
    this.dialog.remove();
    this.dialog = null;
  };

  function address(options, redirect) {
    const prefill = options.prefill || {};
    const given = {
      key_id: options.key,
      name: options.name,
      description: options.description,
      email: prefill.email,
      contact: prefill.contact,
      recurring: options.recurring,
      origin: redirect ? undefined : window.location.origin,
      callback_url: redirect ? options.callback_url : undefined,
      cancel_url: redirect ? window.location.href : undefined,
    };
    const url = new URL("/_sandbox/razorpay/pay/" + encodeURIComponent(options.order_id), home);
    Object.keys(given).forEach(function (name) {
      if (given[name]) url.searchParams.set(name, given[name]);
    });
    return url.href;
  }

  // A constructed style sheet needs no `style-src` of the page that loads us.
  function style() {
    if (styled) return;
    styled = true;
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(DIALOG_CSS);
    document.adoptedStyleSheets = document.adoptedStyleSheets.concat([sheet]);
  }

  function post(url, fields) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = url;
    Object.keys(fields).forEach(function (name) {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = fields[name];
      form.append(input);
    });
    document.body.append(form);
    form.submit();
  }

  window.Razorpay = Razorpay;
})();
