// Runs before the first paint: applies the theme this browser remembers. No value: like the system.
(function () {
  try {
    const theme = localStorage.getItem("pop.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is blocked: the system's theme is a good answer.
  }
})();
