// Wires keys, buttons and dialogs of the comparison page to a session.
import { reasonDialog, swappedDialog } from "./dialogs.js";
import { listen } from "./keys.js";
import { Session } from "./session.js";

const session = new Session(JSON.parse(document.getElementById("settings").textContent));
const askReason = reasonDialog((reason) => session.answer("cannot_judge", reason));
const askSwapped = swappedDialog(
  () => session.flags,
  (side, on) => session.flag(side, on),
);
const open = (id) => document.getElementById(id).showModal();

const deeds = {
  1: () => session.answer("first"),
  2: () => session.answer("second"),
  0: () => session.answer("too_close"),
  x: () => session.supply.current && askReason(),
  f: () => session.supply.current && askSwapped(),
  z: () => session.undo(),
  e: () => session.stage.expandAll(),
  g: () => open("guidelines"),
  "?": () => open("keys"),
};

function onClick(event) {
  const button = event.target.closest?.("[data-key], [data-flag], [data-leave], [data-retry], [data-dismiss]");
  if (!button) return;
  // After a mouse click the button must not keep the focus: Space, meant to scroll, would press it again.
  if (event.detail) button.blur();
  const { key, flag } = button.dataset;
  if (key) deeds[key]();
  else if (flag) session.flag(flag);
  else if ("leave" in button.dataset) session.leave();
  else if ("retry" in button.dataset) session.lookAgain();
  else button.closest("[data-notice]").hidden = true;
}

listen(deeds);
document.addEventListener("click", onClick);
session.start();
