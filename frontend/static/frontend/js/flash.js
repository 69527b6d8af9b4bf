// Messages that appear without a reload, in the place of Django's own.

const place = () => document.getElementById("flashes");

/** Says `words`; a message of the same `name` is replaced, so that a poll does not pile them up. */
export function flash(words, level = "info", name = "") {
  unflash(name);
  const item = document.createElement("li");
  item.className = `flash flash--${level}`;
  item.dataset.name = name;
  item.textContent = words;
  place().append(item);
  place().hidden = false;
}

export function unflash(name) {
  if (!name || !place()) return;
  for (const item of place().querySelectorAll("[data-name]")) {
    if (item.dataset.name === name) item.remove();
  }
  place().hidden = !place().children.length;
}
