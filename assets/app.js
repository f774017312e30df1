// What every page runs: htmx, its SSE extension and a few behaviours that HTML alone does not have.
// All behaviours are delegated from the document, so that markup that htmx brings in works at once.
import htmx from "htmx.org";
import "htmx-ext-sse";

const closest = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);

// --- toasts ----------------------------------------------------------------------------------------------------
const toastLife = 7000;

function schedule(toast) {
  if (toast.dataset.sticky !== undefined) return;
  let timer;
  const leave = () => { toast.dataset.leaving = ""; setTimeout(() => toast.remove(), 200); };
  const start = () => { timer = setTimeout(leave, toastLife); };
  for (const pause of ["pointerenter", "focusin"]) toast.addEventListener(pause, () => clearTimeout(timer));
  for (const resume of ["pointerleave", "focusout"]) toast.addEventListener(resume, start);
  start();
}

function showToast({ tone = "info", title = "", text = "" }) {
  const template = document.querySelector(`template[data-toast="${CSS.escape(tone)}"]`);
  if (!template) return;
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.querySelector("strong").textContent = title;
  const paragraph = toast.querySelector("p");
  if (text) paragraph.textContent = text; else paragraph.remove();
  document.getElementById("toasts").append(toast);
}

new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) schedule(node);
}).observe(document.getElementById("toasts"), { childList: true });
document.querySelectorAll("#toasts > .toast").forEach(schedule);
document.addEventListener("toast", (event) => showToast(event.detail));

// --- clicks ----------------------------------------------------------------------------------------------------
function togglePassword(button) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  const show = input.type === "password";
  input.type = show ? "text" : "password";
  button.setAttribute("aria-pressed", String(show));
  button.querySelectorAll("[data-when]").forEach((part) => { part.hidden = part.dataset.when !== (show ? "shown" : "hidden"); });
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source ? source.textContent.trim() : button.dataset.copyText);
  button.querySelectorAll("[data-when]").forEach((part) => { part.hidden = part.dataset.when !== "done"; });
  setTimeout(() => button.querySelectorAll("[data-when]").forEach((part) => { part.hidden = part.dataset.when === "done"; }), 2000);
}

document.addEventListener("click", (event) => {
  const found = (selector) => closest(event, selector);
  let hit;
  if ((hit = found("[data-dialog]"))) document.getElementById(hit.dataset.dialog)?.showModal();
  else if ((hit = found("[data-dismiss]"))) hit.closest(".toast, .alert")?.remove();
  else if ((hit = found("[data-show-password]"))) togglePassword(hit);
  else if ((hit = found("[data-copy], [data-copy-text]"))) copy(hit);
  else if ((hit = found("[data-fill]"))) {
    const input = document.getElementById(hit.dataset.fill);
    input.value = hit.dataset.value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.focus();
  } else if ((hit = found("[role=tab]"))) selectTab(hit);
  // A click on the backdrop is a click on the <dialog> itself, never on what it holds.
  if (event.target instanceof HTMLDialogElement && event.target.dataset.light !== undefined) event.target.close();
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});

// --- tabs ------------------------------------------------------------------------------------------------------
function selectTab(tab) {
  for (const other of tab.closest("[role=tablist]").querySelectorAll("[role=tab]")) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  }
}

// --- keyboard --------------------------------------------------------------------------------------------------
function move(items, from, event, keys) {
  const forward = document.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  const step = { ArrowDown: 1, ArrowUp: -1, [forward]: 1, [forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft"]: -1 };
  const target = event.key === "Home" ? 0 : event.key === "End" ? items.length - 1
    : keys.includes(event.key) ? (items.indexOf(from) + step[event.key] + items.length) % items.length : -1;
  if (target < 0) return null;
  event.preventDefault();
  items[target].focus();
  return items[target];
}

document.addEventListener("keydown", (event) => {
  const tab = closest(event, "[role=tab]");
  if (tab) {
    const chosen = move([...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")], tab, event, ["ArrowLeft", "ArrowRight"]);
    if (chosen) selectTab(chosen);
    return;
  }
  const menu = closest(event, "details.menu");
  if (!menu) return;
  if (event.key === "Escape" && menu.open) { menu.open = false; menu.querySelector("summary").focus(); event.preventDefault(); return; }
  const items = [...menu.querySelectorAll(".menu-item")];
  if (event.target.matches("summary") && event.key === "ArrowDown") { menu.open = true; items[0]?.focus(); event.preventDefault(); }
  else if (items.includes(event.target)) move(items, event.target, event, ["ArrowDown", "ArrowUp"]);
});

// --- one-time codes: digits only, and the form goes by itself once it is complete -------------------------------
document.addEventListener("input", (event) => {
  const input = closest(event, "[data-code]");
  if (!input) return;
  input.value = input.value.normalize("NFKC").replace(/\D/g, "").slice(0, Number(input.dataset.code));
  if (input.value.length === Number(input.dataset.code) && input.dataset.submit !== undefined) input.form?.requestSubmit();
});

// --- forms: one submission at a time; the first wrong field gets the focus ---------------------------------------
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || event.defaultPrevented || event.target.method === "dialog") return;
  button.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", (event) => event.persisted && document.querySelectorAll("button[aria-busy]").forEach((button) => button.removeAttribute("aria-busy")));
document.addEventListener("change", (event) => { closest(event, "select[data-autosubmit]")?.form.requestSubmit(); });

// Without it a failure would come as JSON: the server tells programs from people by what they accept.
document.addEventListener("htmx:configRequest", (event) => { event.detail.headers.Accept = "text/html"; });

function focusFirstError(root) {
  root.querySelector("[data-form-error], [aria-invalid=true]")?.focus();
}
document.addEventListener("htmx:afterRequest", (event) => {
  event.target.querySelectorAll?.("[aria-busy=true]").forEach((button) => button.removeAttribute("aria-busy"));
});
document.addEventListener("htmx:afterSettle", (event) => { if (event.detail.xhr?.status === 422) focusFirstError(event.detail.elt); });
document.addEventListener("htmx:sendError", () => showToast(document.getElementById("toasts").dataset));
if (document.body.dataset.refused !== undefined) focusFirstError(document);

// --- what is loaded only where it is used -------------------------------------------------------------------------
let chartScript = null;
htmx.onLoad((root) => {
  const charts = [...root.querySelectorAll("[data-chart]")].concat(root.matches?.("[data-chart]") ? [root] : []);
  if (charts.length === 0) return;
  chartScript ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = document.documentElement.dataset.chartScript;
    script.onload = resolve;
    document.head.append(script);
  });
  chartScript.then(() => charts.forEach((chart) => window.drawChart(chart)));
});
