// Light or dark as Airflow's own switch says, which keeps its choice under "theme"; else as the system says.
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
  // The switch is in another document of this origin, so this one is told.
  window.addEventListener("storage", apply);
})();
