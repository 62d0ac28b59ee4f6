import { batch, computed, signal } from "@preact/signals";
import { access, act, apiUrl, can, encodeId, get, send, surface } from "./base.js";
import { follow, onEvents } from "./feed.js";
import { reader } from "./reader.js";
import { forgetActivity, refreshActivity } from "./traffic.js";

// What is known of the fleet, kept true by the event feed. Lists come in one request each.

/** `GET /api/fleet`; `GET /api/models?favorites=none`; `GET /api/favorites`. Null until they have come. */
export const fleet = signal(null);
export const catalog = signal(null);
export const favorites = signal({ version: 0, favorites: [] });
export const history = signal([]);
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

export const refreshFleet = reader(readFleet, 900);
export const refreshCatalog = reader(readCatalog, 900);
const refreshFavorites = reader(readFavorites, 200);
const refreshHistory = reader(readHistory, 3000);

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
    forgetActivity();
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
