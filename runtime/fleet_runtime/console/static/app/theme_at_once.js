// Before the first paint: the theme that was chosen here, else the system's.
(() => {
  let chosen = null;
  try {
    chosen = JSON.parse(localStorage.getItem("fleet.theme"));
  } catch {
    // storage is blocked: the system's theme
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
