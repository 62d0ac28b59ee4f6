import { signal } from "@preact/signals";
import { local } from "./storage.js";

const system = matchMedia("(prefers-color-scheme: dark)");

/** "light", "dark", or "system". */
export const theme = signal(document.documentElement.dataset.theme ?? "system");
/** What is shown: charts are drawn again when it changes. */
export const dark = signal(isDark());

export const nextTheme = () => ({ system: "light", light: "dark", dark: "system" })[theme.value];

export function setTheme(chosen) {
  theme.value = chosen;
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  local.set("theme", chosen === "system" ? null : chosen);
  dark.value = isDark();
}

system.addEventListener("change", () => {
  dark.value = isDark();
});

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? system.matches : chosen === "dark";
}

/** The value of a custom property of CSS, for canvases. */
export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
