// What every page has: theme button, tabs, menus, dialogs, confirmation, copy buttons, local times.
import { flash, unflash } from "./flash.js";
import { startThemeButtons } from "./theme_button.js";

const LOCAL = { dateStyle: "medium", timeStyle: "short" };
const CLOCK = { timeStyle: "short" };

function onClick(event) {
  const from = event.target instanceof Element ? event.target : null;
  const opener = from?.closest("[data-opens]");
  if (opener) document.querySelector(opener.dataset.opens)?.showModal();
  from?.closest("[data-closes]")?.closest("dialog")?.close();
  if (from instanceof HTMLDialogElement) from.close(); // the backdrop
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(from)) menu.open = false;
  }
  const copier = from?.closest("[data-copy]");
  if (copier) copy(copier);
}

async function copy(button) {
  const source = document.querySelector(button.dataset.copy);
  const text = source?.value ?? source?.textContent ?? "";
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select the text and press Ctrl C";
  }
  setTimeout(() => (button.textContent = before), 2000);
}

function onKey(event) {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
}

function onSubmit(event) {
  const question = event.target.dataset?.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
}

/** <time datetime="…" data-local>: the viewer's own zone; data-local="time" leaves out the day when it is today. */
export function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[data-local]:not([data-done])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    const clock = time.dataset.local === "time" && at.toDateString() === new Date().toDateString();
    time.textContent = at.toLocaleString(undefined, clock ? CLOCK : LOCAL);
    time.title = at.toString();
    time.dataset.done = "";
  }
}

/** On a phone the project's tabs scroll: the one that is open is shown. */
function showTab() {
  const tab = document.querySelector('.tabs [aria-current="page"]');
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 16;
}

/** A form that was refused comes back as a fragment with the reasons in it: it takes its place like any other. */
function showRefusedForm({ detail }) {
  if (detail.xhr.status !== 422 || !detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/html")) return;
  detail.shouldSwap = true;
  detail.isError = false;
}

/** A fragment the server refused or could not give: said in words, once. */
function onFragmentError(event) {
  const { xhr } = event.detail;
  let words = "The server could not answer. Reload the page to see where things stand.";
  try {
    words = JSON.parse(xhr.responseText).detail ?? words;
  } catch {
    // Not words of ours.
  }
  flash(words, "error", "fragment");
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
document.addEventListener("submit", onSubmit);
document.addEventListener("htmx:afterSwap", () => localTimes());
document.addEventListener("htmx:beforeSwap", showRefusedForm);
document.addEventListener("htmx:responseError", onFragmentError);
document.addEventListener("htmx:sendError", () =>
  flash("No connection to the server. This page tries again by itself.", "warning", "fragment"),
);
document.addEventListener("htmx:afterOnLoad", (event) => event.detail.successful && unflash("fragment"));
startThemeButtons();
localTimes();
showTab();
