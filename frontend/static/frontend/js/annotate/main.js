// Wires keys, buttons and dialogs of the comparison page to a session.
import { reasonDialog, swappedDialog } from "./dialogs.js";
import { listen } from "./keys.js";
import { Session } from "./session.js";

const session = new Session(JSON.parse(document.getElementById("settings").textContent));
const askReason = reasonDialog((reason) => session.answer("cannot_judge", reason));
// A response of an arena has nothing it could be swapped with: its page has no such dialog.
const askSwapped =
  document.getElementById("swapped-dialog") &&
  swappedDialog(
    () => session.flags,
    (side, on) => session.flag(side, on),
  );
const open = (id) => document.getElementById(id).showModal();

const deeds = {
  1: () => session.answer("first"),
  2: () => session.answer("second"),
  0: () => session.answer("too_close"),
  x: () => session.answerable && askReason(),
  f: () => session.answerable && askSwapped?.(),
  z: () => session.undo(),
  e: () => session.stage.expandAll(),
  g: () => open("guidelines"),
  "?": () => open("keys"),
};

function onClick(event) {
  const button = event.target.closest?.("[data-key], [data-flag], [data-leave], [data-retry], [data-dismiss], [data-continue], [data-skip]");
  if (!button) return;
  // After a mouse click the button must not keep the focus: Space, meant to scroll, would press it again.
  if (event.detail) button.blur();
  const { key, flag } = button.dataset;
  if (key) deeds[key]();
  else if (flag) session.flag(flag);
  else if ("leave" in button.dataset) session.leave();
  else if ("retry" in button.dataset) session.lookAgain();
  else if ("continue" in button.dataset) session.practice.proceed();
  else if ("skip" in button.dataset) session.skipPractice();
  else button.closest("[data-notice]").hidden = true;
}

/** Enter goes on after practice, wherever the focus is; on a button or link it presses that. */
function onEnter(event) {
  if (event.key !== "Enter" || event.repeat || !session.practice.telling) return;
  if (event.target.closest?.("button, a, dialog, input")) return;
  event.preventDefault();
  session.practice.proceed();
}

listen(deeds);
document.addEventListener("keydown", onEnter);
document.addEventListener("click", onClick);
session.start();
