// What the theme leaves out: names for its unnamed parts, and a keyboard for what it made clickable.
document.addEventListener("DOMContentLoaded", () => {
  const english = document.documentElement.lang.startsWith("en");
  const one = (selector, facts) => {
    for (const element of document.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(facts)) if (!element.hasAttribute(name)) element.setAttribute(name, value);
    }
  };
  const words = english
    ? { search: "Search", menu: "Menu", table: "Rows", account: "Account and language" }
    : { search: "Buscar", menu: "Menú", table: "Filas", account: "Cuenta e idioma" };
  one("#main", { role: "main" });
  one("#nav-sidebar-inner", { "aria-label": words.menu });
  one("#tabs-items", { "aria-label": document.title });
  one("#searchbar-submit, #command-submit, #searchbar, #search-input-command", { "aria-label": words.search });
  for (const { dataset } of document.querySelectorAll("[data-label]")) {
    dataset.label = dataset.label.charAt(0).toUpperCase() + dataset.label.slice(1);
  }
  const clickable = "a[x-on\\:click]:not([href]), div[x-on\\:click].cursor-pointer, [x-on\\:click*='opencommand']";
  for (const element of document.querySelectorAll(clickable)) {
    one(`#${(element.id ||= `dc-${Math.random().toString(36).slice(2)}`)}`, { role: "button", tabindex: "0" });
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      element.click();
    });
  }
});
window.addEventListener("load", () => {
  const lang = document.documentElement.lang;
  for (const element of document.querySelectorAll(".simplebar-content-wrapper")) {
    element.setAttribute("aria-label", element.closest("nav") ? (lang.startsWith("en") ? "Menu items" : "Opciones del menú") : lang.startsWith("en") ? "Rows" : "Filas");
  }
});
