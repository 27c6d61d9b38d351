// Before the first paint, so that a chosen theme does not flash: a script of its own, since the
// page's policy allows none in place.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("ioi.theme");
  } catch {
    // Storage is off: the system's theme.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
