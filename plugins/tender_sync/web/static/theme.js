// Light or dark: Airflow's own switch decides, which stores its choice as "theme"; without one, the system decides.
// Loaded before the style, so that nothing flashes.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = window.localStorage.getItem("theme");
    const theme = chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = theme;
  };
  apply();
  dark.addEventListener("change", apply);
  // The switch is in another document of this origin, so its change arrives here as an event.
  window.addEventListener("storage", apply);
})();
