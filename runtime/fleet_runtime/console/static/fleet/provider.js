import { act, bytes, can, capital, date, duration, html, now, plural, shortTime } from "../app/base.js";
import { ActionButton, Remedy, statusWord } from "../app/parts.js";
import { refreshCatalog, refreshFleet, reportOf } from "../app/state.js";

const path = (name, action) => `/api/fleet/${encodeURIComponent(name)}/${action}`;

const commanded = (name, action) => can(`POST /api/fleet/{name}/${action}`) && reportOf(name).value?.commands;
/** Whether a model of this provider can be unloaded, or loaded, with this key. */
export const mayUnload = (name) => commanded(name, "unload");
export const mayLoad = (name) => commanded(name, "load");

async function run(name, action, body = {}) {
  await act("POST", path(name, action), body);
  await Promise.all([refreshFleet(), refreshCatalog()]);
}

/** Load or unload a model; while requests run there, only after a question. */
async function command(name, action, model) {
  try {
    await run(name, action, { model });
  } catch (error) {
    if (error.code !== "requests_running") throw error;
    if (confirm(`${error.message}\n\nContinue? Running requests will be aborted.`)) await run(name, action, { model, force: true });
  }
}

export const unload = (name, model) => command(name, "unload", model);
export const load = (name, model) => command(name, "load", model);

/** Wake, probe now, unload: those that the key may use and that this provider takes. */
export function ProviderActions({ report, words = false }) {
  const { name } = report;
  const wakes = can("POST /api/fleet/{name}/wake") && report.wake && report.status === "offline";
  const only = report.loaded.length === 1 ? report.loaded[0] : null;
  return html`<div class="actions">
    ${wakes && html`<${ActionButton} icon="power" kind="primary" run=${() => run(name, "wake")} done=${`${report.label} wakes up`}>Wake<//>`}
    ${mayUnload(name) && only !== null && html`<${ActionButton} icon="eject" kind="quiet" label=${`Unload ${only}`} run=${() => unload(name, only)}>${words && "Unload"}<//>`}
    ${can("POST /api/fleet/{name}/refresh") && report.status !== "disabled" && html`<${ActionButton} icon="refresh" kind="quiet" label=${`Probe ${report.label} now`} run=${() => run(name, "refresh")}>${words && "Probe now"}<//>`}
  </div>`;
}

const DAY = 24 * 3600 * 1000;
const SERVING = new Set(["online", "degraded"]);

/** Changes of status (newest first) as spans of time: `[{from, to, status, reason}]`, oldest first. */
function spans(changes, from, to) {
  const found = [];
  let end = to;
  for (const { status, reason, at } of changes) {
    const begin = Date.parse(at);
    if (begin < end) found.unshift({ from: Math.max(begin, from), to: end, status, reason });
    end = Math.min(end, begin);
    if (begin <= from) return found;
  }
  if (end > from) found.unshift({ from, to: end, status: "none", reason: null });
  return found;
}

/** A provider's last 24 hours; on hover and focus it lists the outages. */
export function Strip({ name, changes }) {
  const to = Math.floor(now.value / 60_000) * 60_000 + 60_000;
  const from = to - DAY;
  const mine = changes.filter((each) => each.provider === name);
  const parts = spans(mine, from, to);
  const outages = parts.filter((each) => !SERVING.has(each.status) && each.status !== "none" && each.status !== "unknown" && each.status !== "disabled");
  const known = parts.filter((each) => each.status !== "none" && each.status !== "unknown");
  const total = sum(known);
  const share = total > 0 ? (100 * sum(known.filter((each) => SERVING.has(each.status)))) / total : null;
  const label = `Last 24 hours: ${share === null ? "nothing known" : `serving ${percent(share)}`}, ${outages.length === 0 ? "no outage" : outages.map(describe).join("; ")}`;
  return html`<div class="strip-box">
    <div class="strip" role="img" tabindex="0" aria-label=${label}>
      <svg viewBox="0 0 1440 10" preserveAspectRatio="none" aria-hidden="true">${parts.map((each) => {
        const x = (each.from - from) / 60_000;
        return html`<rect key=${each.from} class=${each.status} x=${x} y="0" width=${Math.max((each.to - each.from) / 60_000, 6)} height="10" />`;
      })}</svg>
      <div class="strip-tip" aria-hidden="true">${outages.length === 0 ? (share === null ? "Nothing known of the last 24 hours" : "No outage in the last 24 hours") : outages.slice(-6).reverse().map((each) => html`<div key=${each.from}>${describe(each)}</div>`)}</div>
    </div>
    <div class="strip-scale"><span>24 h ago</span><span>${share === null ? "" : percent(share)}</span><span>now</span></div></div>`;
}

const sum = (parts) => parts.reduce((total, each) => total + each.to - each.from, 0);
const percent = (share) => `${share >= 99.95 ? "100" : share.toFixed(1)} %`;

function describe({ from, to, status, reason }) {
  const over = to > Date.now() - 1000;
  const begin = from < Date.now() - DAY / 2 ? date(from) : shortTime(from);
  return `${statusWord(status)} ${begin}–${over ? "now" : shortTime(to)} (${duration(Math.round((to - from) / 1000))})${reason ? `: ${reason}` : ""}`;
}

export function Kind({ report }) {
  return html`<span>${report.kind !== "auto" ? `${report.kind} ${report.version ?? ""}` : report.polled ? "not recognised yet" : report.class}</span>`;
}

export function Reason({ report }) {
  if (report.reason === null) return null;
  return html`<div class="reason"><p><b>${capital(report.reason)}</b></p><${Remedy} text=${report.remedy} /></div>`;
}

/** What the server says of its memory: a gauge for each GPU and for its RAM, as far as it says. */
export function Memory({ report: { memory } }) {
  const gauges = [...(memory?.gpus ?? []).map(({ name, used, total }) => [name, used, total]), ["RAM", memory?.ram_used, memory?.ram_total]].filter(([, used, total]) => used !== null && total);
  return gauges.length > 0 && html`<ul class="memory">${gauges.map(([name, used, total], place) => html`<li key=${place}><span>${name}</span><meter max=${total} value=${used} aria-label=${name}></meter><span class="num">${bytes(used)}<small> of ${bytes(total)}</small></span></li>`)}</ul>`;
}

export function driftText({ appeared, vanished, contexts }) {
  const parts = [];
  if (appeared.length > 0) parts.push(`${appeared.length} new`);
  if (vanished.length > 0) parts.push(`${vanished.length} gone`);
  if (contexts.length > 0) parts.push(`${plural(contexts.length, "context")} changed`);
  return parts.length === 0 ? null : `${parts.join(", ")} since the lock`;
}
