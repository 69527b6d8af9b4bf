// Cycles like the system → light → dark; this browser remembers.
const NEXT = { "": "light", light: "dark", dark: "" };
const MARK = { "": "◐", light: "☀", dark: "☾" };
const NAME = { "": "like the system", light: "light", dark: "dark" };

const current = () => document.documentElement.dataset.theme ?? "";

function apply(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  try {
    if (theme) localStorage.setItem("pop.theme", theme);
    else localStorage.removeItem("pop.theme");
  } catch {
    // Storage is blocked: the choice lasts as long as the page.
  }
}

function show(button) {
  const words = `Theme: ${NAME[current()]}`;
  button.querySelector("[data-theme-mark]").textContent = MARK[current()];
  button.querySelector("[data-theme-name]").textContent = words;
  button.title = words;
}

export function startThemeButtons() {
  for (const button of document.querySelectorAll("[data-theme-button]")) {
    show(button);
    button.addEventListener("click", () => {
      apply(NEXT[current()]);
      show(button);
    });
  }
}
