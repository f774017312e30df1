// Omise.js as the Tillhouse sandbox plays it: turns cards into tokens and types into sources, from the shop's page.
(function () {
  "use strict";
  const home = new URL(document.currentScript.src).origin;
  let publicKey = "";

  function setPublicKey(key) {
    publicKey = key;
    return publicKey;
  }

  // The callback gets the HTTP status and the object, or the error object, as Omise's own does.
  function createToken(type, attributes, callback) {
    if (type !== "card") throw new Error("Omise: only cards become tokens here");
    post("/tokens", { card: attributes }, callback);
  }

  function createSource(type, attributes, callback) {
    post("/sources", Object.assign({}, attributes, { type: type }), callback);
  }

  function post(path, body, callback) {
    if (!publicKey) throw new Error("Omise: call setPublicKey first");
    const headers = { "Content-Type": "application/json", Authorization: "Basic " + btoa(publicKey + ":") };
    fetch(home + path, { method: "POST", headers: headers, body: JSON.stringify(body) })
      .then(function (response) {
        return response.json().then(function (answer) { callback(response.status, answer); });
      })
      .catch(function () {
        callback(0, { object: "error", code: "network_error", message: "The sandbox could not be reached." });
      });
  }

  window.Omise = { setPublicKey: setPublicKey, createToken: createToken, createSource: createSource };
})();
