import { signal } from "@preact/signals";
import htm from "htm";
import { h } from "preact";

export const html = htm.bind(h);

// What this browser remembers. Storage may be blocked or full: then nothing is remembered, and nothing fails.

function over(area) {
  return {
    get(name, otherwise = null) {
      try {
        const text = area().getItem(`fleet.${name}`);
        return text === null ? otherwise : JSON.parse(text);
      } catch {
        return otherwise;
      }
    },
    set(name, value) {
      try {
        if (value === null || value === undefined) area().removeItem(`fleet.${name}`);
        else area().setItem(`fleet.${name}`, JSON.stringify(value));
      } catch {
        // blocked or full
      }
    },
  };
}

export const local = over(() => localStorage);
const session = over(() => sessionStorage);

/** Where the gateway is: the page's own folder, also below the base path of a proxy. */
export const BASE = new URL("./", document.baseURI).href;

export const key = signal(session.get("key"));
/** What this key opens (`GET /api/access`); null until it is known. */
export const access = signal(null);
/** The surface that everything is asked for; null: all of the fleet. */
export const surface = signal(session.get("surface"));

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Whether the gateway has an operation that this key may use: `can("POST /api/fleet/{name}/wake")`. */
export const can = (operation) => access.value?.operations.includes(operation) ?? false;

export function setKey(value) {
  key.value = value || null;
  session.set("key", key.value);
}

export function setSurface(value) {
  surface.value = value || null;
  session.set("surface", surface.value);
}

export function headers(extra = {}) {
  return key.value === null ? extra : { ...extra, authorization: `Bearer ${key.value}` };
}

/** The URL of an operation, for the surface that is shown. */
export function apiUrl(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), BASE);
  if (surface.value !== null) url.searchParams.set("surface", surface.value);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

/** Send a request; return its response, or throw `ApiError` with what the gateway says. */
export async function send(method, url, { body, headers: extra, signal: abort } = {}) {
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: headers({ ...(body === undefined ? {} : { "content-type": "application/json" }), ...extra }),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: abort,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "gateway_unreachable", "the gateway does not respond");
  }
  if (response.ok || response.status === 304) return response;
  throw await errorOf(response);
}

export async function errorOf(response) {
  let code = `http_${response.status}`;
  let message = `${response.status} ${response.statusText}`.trim();
  try {
    const text = await response.text();
    const { error } = JSON.parse(text);
    code = error?.code ?? error?.type ?? code;
    message = (typeof error === "string" ? error : error?.message) ?? message;
  } catch {
    // not JSON: the status is all there is
  }
  return new ApiError(response.status, String(code), String(message));
}

export const get = async (path, query) => (await send("GET", apiUrl(path, query))).json();

export async function act(method, path, body, extra) {
  const response = await send(method, apiUrl(path), { body, headers: extra });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

export const encodeId = (id) => id.split("/").map(encodeURIComponent).join("/");

// Numbers, times and names as people read them. Null is "not known": a dash, never a zero.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** The clock of the page, once a second. */
export const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1000);

const UNKNOWN = "–";
const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

export const count = (value) => (known(value) ? plain.format(value) : UNKNOWN);
export const plural = (number, word, many = `${word}s`) => `${count(number)} ${number === 1 ? word : many}`;

/** Tokens of a context: 131072 → "128K", 200000 → "200K". */
export function context(tokens) {
  if (!known(tokens)) return UNKNOWN;
  if (tokens < 1000) return String(tokens);
  const binary = tokens % 1024 === 0 ? tokens / 1024 : tokens / 1000;
  return binary >= 1000 ? `${trim(binary / (tokens % 1024 === 0 ? 1024 : 1000))}M` : `${trim(binary)}K`;
}

const trim = (value) => (Math.abs(value - Math.round(value)) < 0.05 ? String(Math.round(value)) : value.toFixed(1));

export function bytes(size) {
  if (!known(size)) return UNKNOWN;
  let value = size;
  for (const unit of ["B", "KB", "MB", "GB", "TB"]) {
    if (value < 1000 || unit === "TB") return `${value < 10 && unit !== "B" ? one.format(value) : plain.format(value)} ${unit}`;
    value /= 1000;
  }
}

/** Seconds as "340 ms", "2.4 s", "3 min 20 s". */
export function duration(seconds) {
  if (!known(seconds)) return UNKNOWN;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${one.format(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export function rate(perSecond) {
  if (!known(perSecond)) return UNKNOWN;
  if (perSecond > 0 && perSecond < 0.05) return "< 0.1";
  return perSecond > 0 && perSecond < 10 ? one.format(perSecond) : plain.format(perSecond);
}

/** How long ago, in one unit: "12 s", "5 min", "3 h", "4 d". */
export function age(iso, now = Date.now()) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (Number.isNaN(seconds)) return UNKNOWN;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

export const time = (iso) => clock.format(new Date(iso));
export const shortTime = (milliseconds) => minute.format(new Date(milliseconds));
export const date = (iso) => moment.format(new Date(iso));
export const day = (milliseconds) => days.format(new Date(milliseconds));
export const snapshot = (id) => (id ?? "").replace(/^sha256:/, "").slice(0, 8);

/** The command that a remedy names in backticks, the last of them with an argument; null if it names none. */
export const command = (remedy) => [...(remedy ?? "").matchAll(/`([^`]+)`/g)].map((found) => found[1]).filter((text) => text.includes(" ")).pop() ?? null;

/** A sentence as parts, those in backticks as `{code}`. */
export const parts = (text) => (text ?? "").split("`").map((part, place) => (place % 2 ? { code: part } : part)).filter((part) => part !== "");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const provider = (id) => id.slice(0, id.indexOf("/"));
export const modelOf = (id) => id.slice(id.indexOf("/") + 1);

const VIEWS = ["fleet", "machine", "models", "chat", "arena", "activity", "setup"];

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

/** A color of the theme that is shown, for canvases. */
export function color(name, share = 100) {
  const probe = document.createElement("i");
  probe.style.color = `color-mix(in srgb, var(--${name}) ${share}%, transparent)`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** What was used in this browser: `{id: {count, last}}`, `last` in milliseconds. */
export const usage = signal(local.get("usage", {}));

export function noteUse(id) {
  const count = (usage.value[id]?.count ?? 0) + 1;
  usage.value = { ...usage.value, [id]: { count, last: Date.now() } };
  local.set("usage", usage.value);
}
