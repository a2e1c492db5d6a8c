// What the theme leaves out: names for its unnamed fields, so that a screen reader can say them.
document.addEventListener("DOMContentLoaded", () => {
  const name = (selector, attribute) => {
    for (const element of document.querySelectorAll(selector)) {
      if (!element.getAttribute("aria-label")) element.setAttribute("aria-label", element.getAttribute(attribute) || document.title);
    }
  };
  name("#searchbar", "placeholder");
  name("#search-input-command", "placeholder");
  const english = document.documentElement.lang.startsWith("en");
  for (const id of ["searchbar-submit", "command-submit"]) {
    document.getElementById(id)?.setAttribute("aria-label", english ? "Search" : "Buscar");
  }
});
