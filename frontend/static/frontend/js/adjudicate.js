// The adjudication page by keyboard: a key presses its button, and the next comparison comes by HTMX.
import { listen } from "./annotate/keys.js";
import { clamp, expandAll, watch } from "./clamp.js";

const SHORTEST_LOOK_MS = 350; // nobody has read four texts by then: a double press, not a decision
const root = document.getElementById("adjudication");
const live = document.getElementById("told-live");
let shownAt = performance.now();

function press(key) {
  if (performance.now() - shownAt < SHORTEST_LOOK_MS) return;
  const button = root.querySelector(`[data-key="${key}"]`);
  if (button && !button.disabled) button.click();
}

function announce(words) {
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = words));
}

function onShown() {
  const shown = document.getElementById("case");
  shownAt = performance.now();
  clamp(root);
  root.querySelector(".stage, .empty h2")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
  announce(shown.dataset.told || shown.querySelector("h2").textContent);
  const count = document.querySelector("[data-disputes-count]");
  if (!count) return;
  count.textContent = shown.dataset.waiting;
  count.hidden = !shown.dataset.waiting;
}

listen({
  1: () => press("1"),
  2: () => press("2"),
  0: () => press("0"),
  s: () => press("s"),
  e: () => press("e"),
  r: () => document.getElementById("reason")?.focus(),
});
root.addEventListener("click", (event) => {
  if (event.target.closest?.('[data-key="e"]')) announce(expandAll(root));
});
// Out of the reason and back to the keys.
root.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.id === "reason") event.target.blur();
});
document.addEventListener("htmx:afterSwap", onShown);
watch(root);
clamp(root);
