// The keys of the comparison page. Nothing fires while typing, in a dialog, with a modifier or held down.

const TYPING = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";

/** The key as printed on a Latin keyboard, whatever layout is active. */
function nameOf(event) {
  if (/^[\x20-\x7e]$/.test(event.key)) return event.key.toLowerCase();
  const letter = event.code.match(/^Key([A-Z])$/);
  return letter ? letter[1].toLowerCase() : event.key;
}

export function listen(deeds) {
  document.addEventListener("keydown", (event) => {
    if (event.repeat) {
      // A held Enter or Space would press a focused button again and again.
      if (event.target.closest?.("button") && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]") || event.target.closest?.(TYPING)) return;
    const deed = deeds[nameOf(event)];
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}
