import { computed, signal } from "@preact/signals";
import { can, get, now } from "./base.js";
import { reader } from "./reader.js";

const KEPT = 1000;
const RECENT = 60;

/** `GET /api/activity`: the requests that run, and the last that are over, the newest first. */
export const running = signal([]);
export const requests = signal([]);

let complete = false;

const readNew = reader(async () => {
  const all = complete;
  const held = all ? [] : requests.value;
  const list = await get("/api/activity", { after: held[0]?.id, limit: KEPT });
  running.value = list.running;
  const known = new Set(list.requests.map((each) => each.id));
  if (all || list.requests.length > 0) requests.value = [...list.requests, ...held.filter((each) => !known.has(each.id))].slice(0, KEPT);
  if (all) complete = false;
}, 250);

/** Read what is new; `all` from the beginning, after events were missed. */
export function refreshActivity(all = false) {
  complete ||= all;
  return can("GET /api/activity") ? readNew() : Promise.resolve();
}

/** Nothing of the former surface stays. */
export function forgetActivity() {
  running.value = [];
  requests.value = [];
}

const ended = (row) => Date.parse(row.started_at) + row.total * 1000;

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
