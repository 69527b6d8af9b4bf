// Long texts of a card: shortened to a height, shown in full by their button or all at once.

const SLACK = 1.2; // a text that exceeds its clamp by less than this is simply shown whole

/** Keeps the texts in `root` shortened while the window changes, and lets their buttons show them. */
export function watch(root) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-expand]");
    if (button) expand(button.previousElementSibling, button.getAttribute("aria-expanded") !== "true");
  });
  new ResizeObserver(() => clamp(root)).observe(root);
}

export function clamp(root) {
  for (const box of root.querySelectorAll("[data-clamp]")) {
    const button = box.nextElementSibling;
    if (button.getAttribute("aria-expanded") === "true") continue;
    box.classList.add("is-clamped");
    const long = box.scrollHeight > box.clientHeight * SLACK;
    box.classList.toggle("is-clamped", long);
    button.hidden = !long;
    // Of a conversation the latest turn matters most: it is the one that was answered.
    if (long && box.dataset.clamp === "end") box.scrollTop = box.scrollHeight;
  }
  for (const code of root.querySelectorAll(".prose pre, .prose table")) {
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0; // so that the keyboard can scroll it
  }
}

/** Shows all texts in full, or shortens them again; what was done, in words. */
export function expandAll(root) {
  const folded = [...root.querySelectorAll("[data-expand]:not([hidden])")];
  const open = folded.some((button) => button.getAttribute("aria-expanded") !== "true");
  for (const button of folded) expand(button.previousElementSibling, open);
  if (!folded.length) return "Nothing is shortened.";
  return open ? "Texts shown in full." : "Texts shortened.";
}

function expand(box, open) {
  const button = box.nextElementSibling;
  box.classList.toggle("is-clamped", !open);
  if (!open && box.dataset.clamp === "end") box.scrollTop = box.scrollHeight;
  button.setAttribute("aria-expanded", String(open));
  button.querySelector("[data-expand-words]").textContent = open ? "Show less" : "Show all";
}
