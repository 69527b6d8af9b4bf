// Cannot judge (with an optional reason) and looks swapped, each usable with keys alone.

/** Calls `done(reason)` when sent; Escape changes nothing. */
export function reasonDialog(done) {
  const dialog = document.getElementById("reason-dialog");
  const form = dialog.querySelector("form");
  form.addEventListener("submit", () => {
    const picked = form.elements.pick.value;
    const words = form.elements.words.value.trim();
    done([picked, words].filter(Boolean).join(": ").slice(0, 500));
  });
  return () => {
    form.reset();
    dialog.showModal();
  };
}

/** Keys 1 and 2 (or A and B) tick, Enter or F closes. `changed(side, on)` after each tick. */
export function swappedDialog(read, changed) {
  const dialog = document.getElementById("swapped-dialog");
  const boxes = { first: dialog.querySelector("[name=first]"), second: dialog.querySelector("[name=second]") };
  const keys = { 1: boxes.first, a: boxes.first, 2: boxes.second, b: boxes.second };
  for (const box of Object.values(boxes)) {
    box.addEventListener("change", () => changed(box.name, box.checked));
  }
  dialog.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    if (keys[key]) keys[key].click();
    else if (key === "f" || (key === "enter" && !event.target.closest("button"))) dialog.close();
    else return;
    event.preventDefault();
    event.stopPropagation(); // once closed, the page would take the same key for its own
  });
  return () => {
    const flags = read();
    boxes.first.checked = flags.first;
    boxes.second.checked = flags.second;
    dialog.showModal();
  };
}
