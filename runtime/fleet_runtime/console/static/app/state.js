import { batch, computed, signal } from "@preact/signals";
import { access, act, ApiError, apiUrl, can, encodeId, get, key, now, send, surface } from "./base.js";

const script = document.querySelector("script[data-base]");
const policy = globalThis.trustedTypes?.createPolicy("fleet", { createScriptURL: (url) => url });

/** Whether the events arrive, since when they do not, and why. */
export const feedState = signal({ live: false, since: Date.now(), failure: null });

const listeners = new Set();
const waiting = new Map();
let port = null;
let counter = 0;

/** Call `listener` with each batch of events. */
export function onEvents(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow the events of the surface that is shown. A browser without SharedWorker has a feed in each tab. */
export function follow(topics) {
  port ??= open();
  port.postMessage({ type: "follow", key: key.value, url: apiUrl("/api/events", { topics: topics.join(",") }) });
}

/**
 * Wait for a place among the responses that may stream at once; `onWait` is called if there is none yet.
 * Returns what gives the place back.
 */
export function acquireStream(onWait, abort) {
  port ??= open();
  const id = ++counter;
  const release = () => port.postMessage({ type: "release", id });
  return new Promise((resolve, reject) => {
    const stop = () => {
      waiting.delete(id);
      release();
      reject(new DOMException("stopped", "AbortError"));
    };
    if (abort?.aborted) return stop();
    abort?.addEventListener("abort", stop, { once: true });
    waiting.set(id, {
      onWait,
      granted: () => {
        abort?.removeEventListener("abort", stop);
        resolve(release);
      },
    });
    port.postMessage({ type: "acquire", id });
  });
}

function open() {
  const address = new URL(`${script.dataset.base}feed/worker.js`, document.baseURI).href;
  const url = policy ? policy.createScriptURL(address) : address;
  const shared = globalThis.SharedWorker !== undefined;
  const worker = shared ? new SharedWorker(url, "fleet") : new Worker(url);
  const opened = shared ? worker.port : worker;
  opened.onmessage = ({ data }) => receive(data);
  opened.start?.();
  return opened;
}

function receive(message) {
  if (message.type === "events") {
    for (const listener of listeners) listener(message.events);
  } else if (message.type === "state") {
    const before = feedState.value;
    const since = message.live === before.live ? before.since : Date.now();
    feedState.value = { live: message.live, since, failure: message.failure };
  } else if (message.type === "granted") {
    waiting.get(message.id)?.granted();
    waiting.delete(message.id);
  } else if (message.type === "waiting") {
    waiting.get(message.id)?.onWait?.(message.running);
  }
}

addEventListener("pagehide", () => port?.postMessage({ type: "leave" }));

// What is known of the fleet, kept true by the event feed. Lists come in one request each.

/** `GET /api/fleet`; `GET /api/models?favorites=none`; `GET /api/favorites`. Null until they have come. */
export const fleet = signal(null);
export const catalog = signal(null);
export const favorites = signal({ version: 0, favorites: [] });
export const history = signal([]);
/** Why something could not be read, null if all was. */
export const loadError = signal(null);
const states = new Map();
const reports = new Map();

/** The signal of one model's state, and that of one provider's report. */
export const stateOf = (id) => signalOf(states, id, "unknown");
export const reportOf = (name) => signalOf(reports, name, null);

function signalOf(signals, name, initial) {
  let found = signals.get(name);
  if (found === undefined) signals.set(name, (found = signal(initial)));
  return found;
}

export const providers = computed(() => catalog.value?.providers ?? []);
/** Every model by its id. */
export const models = computed(() => {
  const all = new Map();
  for (const provider of providers.value) for (const model of provider.models) all.set(model.id, model);
  return all;
});
export const favoriteIds = computed(() => new Set(favorites.value.favorites.map((each) => each.id)));
/** The favorites that can be used now, in their order. */
export const usableFavorites = computed(() =>
  favorites.value.favorites.map((each) => models.value.get(each.id)).filter((model) => model?.available),
);

async function readFleet() {
  const report = await get("/api/fleet");
  batch(() => {
    for (const provider of report.providers) {
      const held = reportOf(provider.name);
      if (JSON.stringify(held.value) !== JSON.stringify(provider)) held.value = provider;
    }
    fleet.value = report;
  });
}

let tag = null;
let tagged = null;

async function readCatalog() {
  const url = apiUrl("/api/models", { favorites: "none" });
  const held = tagged === url && tag !== null ? { "if-none-match": tag } : {};
  const response = await send("GET", url, { headers: held });
  if (response.status === 304) return;
  const list = await response.json();
  tag = response.headers.get("etag");
  tagged = url;
  batch(() => {
    for (const provider of list.providers) for (const model of provider.models) stateOf(model.id).value = model.state;
    catalog.value = list;
  });
}

async function readFavorites() {
  favorites.value = await get("/api/favorites");
}

async function readHistory() {
  history.value = (await get("/api/fleet/history", { limit: 1000 })).changes;
}

/** Reads again when asked to, at once and then at most once in `pause` milliseconds. */
function reader(read, pause) {
  let last = -Infinity;
  let timer = null;
  let running = false;
  async function run() {
    timer = null;
    running = true;
    last = performance.now();
    try {
      await read();
      loadError.value = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      loadError.value = error;
      if (error.status === 401) access.value = null;
    } finally {
      running = false;
    }
  }
  return () => {
    if (timer !== null) return Promise.resolve();
    const wait = Math.max(running ? 50 : 0, last + pause - performance.now());
    if (wait <= 0) return run();
    timer = setTimeout(run, wait);
    return Promise.resolve();
  };
}

export const refreshFleet = reader(readFleet, 900);
export const refreshCatalog = reader(readCatalog, 900);
export const refreshFavorites = reader(readFavorites, 200);
export const refreshHistory = reader(readHistory, 3000);

export function refreshAll() {
  return Promise.all([refreshFleet(), refreshCatalog(), refreshFavorites(), refreshHistory()]);
}

export function applyEvents(events) {
  batch(() => {
    for (const { event, data } of events) apply(event, data);
  });
}

onEvents(applyEvents);

function apply(event, data) {
  if (event === "state") applyState(data);
  else if (event === "provider") {
    const held = reportOf(data.provider);
    if (held.value !== null) {
      held.value = { ...held.value, status: data.status, reason: data.reason, reason_code: data.reason_code, remedy: null };
    }
    refreshFleet();
    refreshCatalog();
    refreshFavorites();
    refreshHistory();
  } else if (event === "models") {
    refreshCatalog();
    refreshFleet();
    refreshFavorites();
  } else if (event === "favorites") refreshFavorites();
  else if (event === "activity") {
    refreshActivity();
    refreshFleet();
  } else if (event === "snapshot" || event === "resync") {
    refreshAll();
    refreshActivity(true);
  }
}

function applyState({ id, state }) {
  stateOf(id).value = state;
  const slash = id.indexOf("/");
  const held = reportOf(id.slice(0, slash));
  if (held.value === null) return;
  const model = id.slice(slash + 1);
  const without = (list) => list.filter((each) => each !== model);
  const loaded = without(held.value.loaded);
  const loading = without(held.value.loading);
  if (state === "loaded") loaded.push(model);
  if (state === "loading") loading.push(model);
  held.value = { ...held.value, loaded, loading };
}

const topics = () => ["provider", "models", "state", "favorites", "snapshot", ...(can("GET /api/activity") ? ["activity"] : [])];

/** Begin: read everything, and follow what changes. */
export function start() {
  follow(topics());
  return refreshAll();
}

/** Another surface: nothing of the former one stays. */
export function restart() {
  batch(() => {
    for (const held of reports.values()) held.value = null;
    fleet.value = null;
    catalog.value = null;
    history.value = [];
    favorites.value = { version: 0, favorites: [] };
  });
  tag = null;
  return start();
}

setInterval(() => {
  if (!document.hidden && access.value !== null) refreshFleet();
}, 5000);

export const mayReorder = computed(() => can("PUT /api/favorites") && surface.value === null);

export async function setFavorite(id, wanted) {
  favorites.value = await act(wanted ? "PUT" : "DELETE", `/api/favorites/${encodeId(id)}`);
}

/** Move a favorite before another place of those that are shown; hidden ones keep theirs. */
export async function moveFavorite(id, before) {
  const { etag, favorites: all } = favorites.value;
  const ids = all.map((each) => each.id).filter((each) => each !== id);
  const place = before === null ? ids.length : ids.indexOf(before);
  ids.splice(place < 0 ? ids.length : place, 0, id);
  try {
    favorites.value = await act("PUT", "/api/favorites", { favorites: ids }, { "if-match": etag });
  } catch (error) {
    if (error.code === "version_conflict") await refreshFavorites();
    throw error;
  }
}

const KEPT = 1000;
const RECENT = 60;

/** `GET /api/activity`: the requests that run, and the last that are over, the newest first. */
export const running = signal([]);
export const requests = signal([]);

let reading = null;

/** Read what is new; `from` the beginning after events were missed. */
export function refreshActivity(from = false) {
  if (!can("GET /api/activity")) return Promise.resolve();
  reading ??= read(from).finally(() => {
    reading = null;
  });
  return reading;
}

async function read(from) {
  const held = from ? [] : requests.value;
  const list = await get("/api/activity", { after: held[0]?.id, limit: KEPT });
  running.value = list.running;
  const known = new Set(list.requests.map((each) => each.id));
  if (from || list.requests.length > 0) requests.value = [...list.requests, ...held.filter((each) => !known.has(each.id))].slice(0, KEPT);
}

export const ended = (row) => Date.parse(row.started_at) + row.total * 1000;

/** Requests and tokens a second, over the last minute. */
export const traffic = computed(() => {
  const since = Math.floor(now.value / 1000) * 1000 - RECENT * 1000;
  const recent = requests.value.filter((row) => ended(row) >= since);
  const tokens = recent.reduce((sum, row) => sum + (row.tokens_out ?? 0), 0);
  return { requests: recent.length / RECENT, tokens: tokens / RECENT };
});

/** The last values of each provider: `{name: {first: [...], speed: [...]}}`, the oldest first. */
export const lately = computed(() => {
  const found = {};
  for (const row of requests.value) {
    if (row.provider === null || row.end_reason !== "ok") continue;
    const held = (found[row.provider] ??= { first: [], speed: [] });
    if (row.first_byte !== null && held.first.length < 40) held.first.unshift(row.first_byte);
    if (row.tokens_per_second !== null && held.speed.length < 40) held.speed.unshift(row.tokens_per_second);
  }
  return found;
});

/** How each model did in the last 30 days: `{id: {tokens_per_second, warm_ms, requests}}`. */
export const speeds = signal({});

export const refreshSpeeds = reader(async () => {
  if (!can("GET /api/speed")) return;
  const { models: found } = await get("/api/speed");
  speeds.value = Object.fromEntries(found.flatMap((model) => model.providers).map((each) => [each.id, each]));
}, 5000);

const SWAPS = new Set(["llama-swap"]);

/** Whether two models cannot be loaded at once: they share a slot, or their provider swaps and does not tell. */
export function shareSlot(first, second) {
  if (first.provider !== second.provider || first.id === second.id) return false;
  if (first.slot !== undefined && first.slot !== null && second.slot !== undefined && second.slot !== null) return first.slot === second.slot;
  return SWAPS.has(reportOf(first.provider).value?.kind);
}

/** The loaded models that a request for `id` would evict. */
export function evicts(id) {
  const wanted = models.value.get(id);
  if (wanted === undefined || stateOf(id).value === "loaded" || stateOf(id).value === "loading") return [];
  const report = reportOf(wanted.provider).value;
  const most = report?.memory?.max_loaded ?? 1;
  if ((report?.loaded.length ?? 0) < most) return [];
  return (report?.loaded ?? []).map((name) => models.value.get(`${wanted.provider}/${name}`)).filter((each) => each && shareSlot(wanted, each));
}
