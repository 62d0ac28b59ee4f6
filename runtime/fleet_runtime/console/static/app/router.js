import { signal } from "@preact/signals";

export const VIEWS = ["fleet", "machine", "models", "chat", "arena", "activity", "setup"];

/** Where the page is: `#/machine/nas` is the view "machine" with "nas". */
export const route = signal(read());

export const link = (view, part) => `#/${view}${part === undefined ? "" : `/${encodeURIComponent(part)}`}`;

export function go(view, part) {
  location.hash = link(view, part);
}

function read() {
  const [view, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  let part = rest.length ? rest.join("/") : null;
  try {
    part = part === null ? null : decodeURIComponent(part);
  } catch {
    // not percent-encoded: as it is
  }
  return { view: VIEWS.includes(view) ? view : "fleet", part };
}

addEventListener("hashchange", () => {
  route.value = read();
  document.getElementById("content")?.scrollTo?.(0, 0);
});
