// Numbers, times and names as people read them. Null is "not known": a dash, never a zero.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

export const UNKNOWN = "–";
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

export const rate = (perSecond) => (known(perSecond) ? `${perSecond < 10 ? one.format(perSecond) : plain.format(perSecond)}` : UNKNOWN);

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
export const date = (iso) => day.format(new Date(iso));
export const snapshot = (id) => (id ?? "").replace(/^sha256:/, "").slice(0, 8);

/** The command that a remedy names in backticks, the last of them with an argument; null if it names none. */
export const command = (remedy) => [...(remedy ?? "").matchAll(/`([^`]+)`/g)].map((found) => found[1]).filter((text) => text.includes(" ")).pop() ?? null;

/** A sentence as parts, those in backticks as `{code}`. */
export const parts = (text) => (text ?? "").split("`").map((part, place) => (place % 2 ? { code: part } : part)).filter((part) => part !== "");
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const provider = (id) => id.slice(0, id.indexOf("/"));
export const modelOf = (id) => id.slice(id.indexOf("/") + 1);
