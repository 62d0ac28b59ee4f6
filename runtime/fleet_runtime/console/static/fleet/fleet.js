import { useEffect, useState } from "preact/hooks";
import { act, age, bytes, can, capital, command, context, count, date, duration, get, html, link, now, plural, rate, shortTime, snapshot } from "../app/base.js";
import { ActionButton, Chart, Command, Copy, Empty, Icon, Notice, Segmented, Sentence, Spark, StateBadge, StatusBadge, statusWord, Tag } from "../app/parts.js";
import { fleet, history, lately, loadError, providers, refreshCatalog, refreshFleet, refreshSpeeds, reportOf, requests, running, speeds, stateOf, traffic } from "../app/state.js";

const path = (name, action) => `/api/fleet/${encodeURIComponent(name)}/${action}`;

/** Kinds of servers that take a command to unload a model. */
const UNLOADS = new Set(["llama-swap", "llama-server", "ollama"]);

export const mayUnload = () => can("POST /api/fleet/{name}/unload");
export const mayLoad = () => can("POST /api/fleet/{name}/load");

async function run(name, action, body = {}) {
  await act("POST", path(name, action), body);
  await Promise.all([refreshFleet(), refreshCatalog()]);
}

/** Unload a model; while requests run there, only after a question. */
export async function unload(name, model) {
  try {
    await run(name, "unload", { model });
  } catch (error) {
    if (error.status !== 409 || error.code === "not_supported") throw error;
    if (confirm(`${error.message}\n\nUnload it all the same? The requests that run are cut.`)) {
      await run(name, "unload", { model, force: true });
    }
  }
}

export const load = (name, model) => run(name, "load", { model });

/** Wake, probe now, unload: those that the key may use and that this provider takes. */
export function ProviderActions({ report, words = false }) {
  const { name } = report;
  const wakes = can("POST /api/fleet/{name}/wake") && report.wake && report.status === "offline";
  const only = report.loaded.length === 1 ? report.loaded[0] : null;
  return html`<div class="actions">
    ${wakes && html`<${ActionButton} icon="power" kind="primary" run=${() => run(name, "wake")} done=${`${report.label} wakes up`}>Wake<//>`}
    ${mayUnload() && UNLOADS.has(report.kind) && only !== null && html`<${ActionButton} icon="eject" kind="quiet" label=${`Unload ${only}`} run=${() => unload(name, only)}>${words && `Unload ${only}`}<//>`}
    ${can("POST /api/fleet/{name}/refresh") && report.status !== "disabled" && html`<${ActionButton} icon="refresh" kind="quiet" label=${`Probe ${report.label} now`} run=${() => run(name, "refresh")}>${words && "Probe now"}<//>`}
  </div>`;
}

export const DAY = 24 * 3600 * 1000;
const SERVING = new Set(["online", "degraded"]);

/** Changes of status (newest first) as spans of time: `[{from, to, status, reason}]`, oldest first. */
export function spans(changes, from, to) {
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
      <div class="strip-tip" aria-hidden="true">${outages.length === 0 ? "No outage in the last 24 hours" : outages.slice(-6).reverse().map((each) => html`<div key=${each.from}>${describe(each)}</div>`)}</div>
    </div>
    <div class="strip-scale"><span>24 h</span><span>${share === null ? "" : percent(share)}</span><span>now</span></div></div>`;
}

const sum = (parts) => parts.reduce((total, each) => total + each.to - each.from, 0);
const percent = (share) => `${share >= 99.95 ? "100" : share.toFixed(1)} %`;

function describe({ from, to, status, reason }) {
  const over = to > Date.now() - 1000;
  const begin = from < Date.now() - DAY / 2 ? date(from) : shortTime(from);
  return `${statusWord(status)} ${begin}–${over ? "now" : shortTime(to)} (${duration(Math.round((to - from) / 1000))})${reason ? `: ${reason}` : ""}`;
}

const SHOWN = 3;

export function Card({ name, changes, drift }) {
  const report = reportOf(name).value;
  if (report === null) return null;
  const inFlight = Object.values(report.in_flight).reduce((sum, each) => sum + each, 0);
  return html`<li class=${`card ${report.status}`}>
    <div class="card-head">
      <div class="card-title"><h2><a href=${link("machine", name)}>${report.label}</a></h2>
        <p class="card-kind">${report.class === "cloud" && html`<${Icon} name="cloud" size=${14} />`}<${Kind} report=${report} /></p></div>
      <${ProviderActions} report=${report} />
    </div>
    <p class="card-status"><${StatusBadge} status=${report.status} /><span class="muted" title=${report.since}>${age(report.since, now.value)}</span></p>
    <${Reason} report=${report} />
    <${LoadedModels} report=${report} />
    <dl class="card-figures">
      <div><dt>In flight</dt><dd>${count(inFlight)}</dd></div>
      <div><dt>Waiting</dt><dd>${count(report.waiting)}</dd></div>
      <div><dt>Available</dt><dd>${count(report.models)}</dd></div>
      <div><dt>Probe</dt><dd>${report.latency === null ? "–" : html`${Math.max(1, Math.round(report.latency * 1000))}<small> ms</small>`}</dd></div>
    </dl>
    <${Memory} report=${report} />
    ${can("GET /api/activity") && html`<${Sparks} name=${name} />`}
    <${Strip} name=${name} changes=${changes} />
    <${Extras} report=${report} drift=${drift} />
  </li>`;
}

export function Kind({ report }) {
  const version = report.version ? ` ${report.version}` : "";
  return html`<span>${report.kind === "auto" ? "not recognised yet" : report.kind}${version}</span>`;
}

export function Reason({ report }) {
  if (report.reason === null) return null;
  const text = command(report.remedy);
  const advice = (report.remedy ?? "").replace(text === null ? "" : `\`${text}\``, "").replace(/[\s,;:]+$/, "");
  return html`<div class="reason"><p><b>${capital(report.reason)}</b></p>
    ${advice !== "" && html`<p class="muted"><${Sentence} text=${capital(advice)} /></p>`}
    ${text !== null && html`<${Command} text=${text} />`}</div>`;
}

/** What the server says of its memory: a gauge for each GPU and for its RAM, as far as it says. */
function Memory({ report: { memory } }) {
  const gauges = [...(memory?.gpus ?? []).map(({ name, used, total }) => [name, used, total]), ["RAM", memory?.ram_used, memory?.ram_total]].filter(([, used, total]) => used !== null && total);
  return gauges.length > 0 && html`<ul class="memory">${gauges.map(([name, used, total], place) => html`<li key=${place}><span>${name}</span><meter max=${total} value=${used} aria-label=${name}></meter><span class="num">${bytes(used)}<small> of ${bytes(total)}</small></span></li>`)}</ul>`;
}

function LoadedModels({ report }) {
  const { loaded, loading } = report;
  if (loaded.length + loading.length === 0) {
    if (report.status === "offline" || report.status === "disabled" || report.status === "config_error") return null;
    return html`<p class="in-memory none">${report.models > 0 ? "Nothing loaded" : "No model listed"}</p>`;
  }
  const size = (model) => report.memory?.models.find((each) => each.model === model)?.size;
  const all = [...loading.map((each) => [each, "loading"]), ...loaded.map((each) => [each, "loaded"])];
  return html`<ul class="in-memory">${all.slice(0, SHOWN).map(
    ([model, state]) => html`<li key=${model} class=${state}><span class="dot" aria-hidden="true"></span><span class="loaded-name">${model}</span>${state === "loading" ? html`<small>loading</small>` : size(model) && html`<small>${bytes(size(model))}</small>`}${(report.in_flight[model] ?? 0) > 0 && html`<small>${plural(report.in_flight[model], "request")}</small>`}</li>`,
  )}${all.length > SHOWN && html`<li class="more">and ${all.length - SHOWN} more</li>`}</ul>`;
}

function Sparks({ name }) {
  const { first = [], speed = [] } = lately.value[name] ?? {};
  return html`<div class="sparks"><${Spark} label="First token" values=${first} text=${duration(first.at(-1))} /><${Spark} label="Tokens/s" values=${speed} text=${rate(speed.at(-1))} /></div>`;
}

function Extras({ report, drift }) {
  const changes = drift ? driftText(drift) : null;
  if (report.sidecar === null && changes === null && report.warnings.length === 0) return null;
  return html`<div class="card-foot">
    ${report.sidecar !== null && html`<${Tag} icon="link" title="chat and completions go through it">sidecar ${report.sidecar}<//>`}
    ${changes !== null && html`<${Tag} icon="info" title="compared with fleet.lock; accept it with: fleet lock">${changes}<//>`}
    ${report.warnings.map((each) => html`<p key=${each} class="warning-text"><${Icon} name="warning" size=${14} />${each}</p>`)}
  </div>`;
}

export function driftText({ appeared, vanished, contexts }) {
  const parts = [];
  if (appeared.length > 0) parts.push(`${appeared.length} new`);
  if (vanished.length > 0) parts.push(`${vanished.length} gone`);
  if (contexts.length > 0) parts.push(`${plural(contexts.length, "context")} changed`);
  return parts.length === 0 ? null : `${parts.join(", ")} since the lock`;
}

export function FleetView() {
  const report = fleet.value;
  return html`<div class="page">
    <div class="page-head"><h1>Fleet</h1><${Summary} /></div>
    <${Rejected} report=${report} />
    ${report === null ? html`<${Loading} />` : html`<${Cards} report=${report} />`}
  </div>`;
}

function Cards({ report }) {
  if (report.providers.length === 0) {
    return html`<${Empty} icon="fleet" title="No provider yet"><p>Add one to fleet.yaml, and it appears here:</p><${Command} text="fleet add http://HOST:PORT" /><//>`;
  }
  const changes = history.value;
  return html`<ul class="cards">${report.providers.map(
    ({ name }) => html`<${Card} key=${name} name=${name} changes=${changes} drift=${report.drift[name]} />`,
  )}</ul>`;
}

function Loading() {
  if (loadError.value !== null) return html`<${Notice} kind="bad">${loadError.value.message}<//>`;
  return html`<ul class="cards" aria-hidden="true">${[0, 1, 2].map((each) => html`<li key=${each} class="card ghost"></li>`)}</ul>`;
}

function Summary() {
  const report = fleet.value;
  if (report === null) return null;
  const reports = report.providers.map(({ name }) => reportOf(name).value).filter((each) => each !== null);
  const online = reports.filter((each) => each.status === "online" || each.status === "degraded").length;
  const running = reports.reduce((sum, each) => sum + Object.values(each.in_flight).reduce((a, b) => a + b, 0), 0);
  const waiting = reports.reduce((sum, each) => sum + each.waiting, 0);
  return html`<dl class="figures">
    <div><dt>Online</dt><dd>${online}<small> of ${reports.length}</small></dd></div>
    <div><dt>In flight</dt><dd>${running}${waiting > 0 && html`<small> + ${waiting} waiting</small>`}</dd></div>
    ${can("GET /api/activity") && html`<${Traffic} />`}
    <div><dt>Snapshot</dt><dd class="mono">${snapshot(report.snapshot)}<${Copy} text=${report.snapshot} label="Copy the snapshot's id" />
      <small>${age(report.serving_since, now.value)} old</small></dd></div>
  </dl>`;
}

function Traffic() {
  const { requests, tokens } = traffic.value;
  return html`<div><dt title="over the last minute">Requests</dt><dd>${rate(requests)}<small> /s</small></dd></div><div><dt title="over the last minute">Tokens</dt><dd>${rate(tokens)}<small> /s</small></dd></div>`;
}

function Rejected({ report }) {
  if (report === null) return null;
  const remedy = report.refused_remedy;
  return html`${report.refused !== null && html`<${Notice} kind="bad"><b>The newest build was rejected</b>; the previous one is still serving. ${report.refused}
      ${command(remedy) !== null && html`<${Command} text=${command(remedy)} />`}<//>`}
    ${report.needs_restart.length > 0 && html`<${Notice} kind="warn">Applied only after a restart of the gateway: ${report.needs_restart.map((each) => `gateway.${each}`).join(", ")}.<//>`}
    ${report.store.state === "down" && html`<${Notice} kind="bad"><b>Favorites and history cannot be saved</b>: ${report.store.reason}<//>`}`;
}

/** What the charts of a provider show, from its series: `[{title, times, lines, unit}]`. */
function charts({ begin, step, steps, points, first_byte_bounds, speed_bounds }) {
  const start = Date.parse(begin) / 1000;
  const times = Array.from({ length: steps }, (_, place) => start + place * step);
  const at = new Map(points.map((each) => [Math.round((Date.parse(each.at) / 1000 - start) / step), each]));
  const values = (read) => times.map((_, place) => (at.has(place) ? read(at.get(place)) : null));
  const failures = (each) => each.failed + Object.values(each.errors).reduce((sum, one) => sum + one, 0);
  const first = (share) => values((each) => quantile(each.first_byte, first_byte_bounds, share));
  const seconds = (value) => duration(value);
  return [
    { title: "Requests a minute", times, lines: [{ label: "Requests", hue: "accent", values: values((each) => (each.requests * 60) / step), show: rate }, { label: "Errors", hue: "bad-fill", values: values((each) => (failures(each) * 60) / step), show: rate }] },
    { title: "First token", times, unit: " s", lines: [{ label: "Median", hue: "accent", values: first(0.5), show: seconds }, { label: "95 %", hue: "warn-fill", values: first(0.95), show: seconds }] },
    { title: "Tokens a second", times, lines: [{ label: "Median", hue: "ok-fill", values: values((each) => quantile(each.speed, speed_bounds, 0.5)), show: rate }] },
    { title: "In flight", times, lines: [{ label: "In flight", hue: "accent", values: values((each) => each.in_flight) }, { label: "Waiting", hue: "warn-fill", values: values((each) => each.waiting) }] },
  ];
}

/** The value below which `share` of a histogram is, between two bounds by proportion; null of an empty one. */
function quantile(counts, bounds, share) {
  let left = share * counts.reduce((sum, each) => sum + each, 0);
  if (left === 0) return null;
  const place = counts.findIndex((each) => (left -= each) <= 0);
  const low = bounds[place - 1] ?? 0;
  const high = bounds[place] ?? low;
  return low + (high - low) * (1 + left / counts[place]);
}

const RANGES = [["hour", "Hour"], ["day", "Day"], ["month", "30 days"]];

export function MachineView({ part: name }) {
  const report = reportOf(name).value;
  useEffect(() => void refreshSpeeds(), []);
  if (fleet.value === null) return html`<div class="page"></div>`;
  if (report === null) return html`<div class="page"><${Empty} icon="machine" title=${`There is no provider “${name}”`}><a href=${link("fleet")}>Back to the fleet</a><//></div>`;
  return html`<div class="page"><a class="back" href=${link("fleet")}><${Icon} name="left" size=${16} />Fleet</a>
    <div class="page-head"><div class="machine-title"><h1>${report.label}</h1><${StatusBadge} status=${report.status} /><span class="muted">for ${age(report.since, now.value)}</span></div><${ProviderActions} report=${report} words=${true} /></div>
    <${Reason} report=${report} />
    ${can("GET /api/fleet/{name}/series") && html`<${Charts} name=${name} />`}
    <div class="columns"><div class="stack"><${Models} name=${name} /><${Activity} name=${name} /></div>
      <div class="stack"><${Facts} report=${report} /><${Changes} name=${name} /></div></div></div>`;
}

function Charts({ name }) {
  const [range, setRange] = useState("hour");
  const [series, setSeries] = useState(null);
  useEffect(() => {
    let here = true;
    const read = () => get(`/api/fleet/${encodeURIComponent(name)}/series`, { range }).then((found) => here && setSeries(charts(found)), () => {});
    read();
    const timer = setInterval(() => !document.hidden && read(), range === "hour" ? 10_000 : 60_000);
    return () => {
      here = false;
      clearInterval(timer);
    };
  }, [name, range]);
  return html`<section class="panel" aria-label="Charts"><div class="panel-head"><h2>Traffic</h2><${Segmented} label="Range" value=${range} options=${RANGES} onChange=${setRange} /></div>
    <div class="charts">${(series ?? []).map(({ title, times, lines, unit }) => html`<${Chart} key=${title} title=${title} times=${times} lines=${lines} unit=${unit} />`)}</div></section>`;
}

function Models({ name }) {
  const models = providers.value.find((each) => each.name === name)?.models ?? [];
  return html`<section class="group-box" aria-label="Models"><div class="group-head"><h2>Models</h2><span class="muted">${plural(models.length, "model")}</span></div>
    ${models.length === 0 ? html`<p class="model muted">No model is listed.</p>` : html`<div class="table-scroll" tabindex="0" role="region" aria-label="Models of this provider"><table class="data"><thead><tr><th>Model</th><th>State</th><th class="num">Context</th><th>Source</th><th class="num">Tokens/s</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${models.map((model) => html`<${ModelRow} key=${model.id} model=${model} />`)}</tbody></table></div>`}</section>`;
}

function ModelRow({ model }) {
  const state = stateOf(model.id).value;
  return html`<tr><td><b>${model.model}</b>${model.aliases.length > 0 && html`<br /><small>also ${model.aliases.join(", ")}</small>`}</td><td><${StateBadge} state=${state} /></td><td class="num">${context(model.context)}</td><td class="muted">${model.context_source ?? "–"}</td><td class="num">${rate(speeds.value[model.id]?.tokens_per_second)}</td>
    <td class="num">${mayUnload() && state === "loaded" && html`<${ActionButton} icon="eject" kind="quiet" label=${`Unload ${model.model}`} run=${() => unload(model.provider, model.model)} />`}
      ${mayLoad() && state === "unloaded" && model.available && html`<${ActionButton} icon="download" kind="quiet" label=${`Load ${model.model}`} run=${() => load(model.provider, model.model)} />`}</td></tr>`;
}

function Facts({ report }) {
  const drift = fleet.value.drift[report.name];
  const facts = [
    ["Server", html`<${Kind} report=${report} />`],
    ["Class", report.class],
    ["Address", report.url.startsWith("http") ? html`<a href=${report.url} target="_blank" rel="noopener noreferrer">${report.url} <${Icon} name="external" size=${13} /></a>` : report.url],
    ["Sidecar", report.sidecar ?? "none"],
    ["Last probe", report.latency === null ? "–" : duration(report.latency)],
    ["In flight", `${count(Object.values(report.in_flight).reduce((a, b) => a + b, 0))}, ${count(report.waiting)} waiting`],
    ["Compared with the lock", drift ? html`${driftText(drift)} ${[...drift.appeared.map((each) => html`<${Tag} key=${each}>+ ${each}<//>`), ...drift.vanished.map((each) => html`<${Tag} key=${each}>− ${each}<//>`)]}` : "as locked"],
    ...(report.formerly.length > 0 ? [["Formerly", report.formerly.join(", ")]] : []),
  ];
  return html`<section class="panel" aria-label="About this provider"><h2>About</h2><dl class="facts">${facts.map(([word, value]) => html`<dt key=${word}>${word}</dt><dd>${value}</dd>`)}</dl>
    <${Memory} report=${report} />
    ${report.warnings.map((each) => html`<p class="warning-text" key=${each}><${Icon} name="warning" size=${14} />${each}</p>`)}</section>`;
}

function Changes({ name }) {
  const mine = history.value.filter((each) => each.provider === name);
  return html`<section class="panel" aria-label="Changes"><h2>Status</h2><${Strip} name=${name} changes=${history.value} />
    ${mine.length === 0 ? html`<p class="muted">No change is known.</p>` : html`<ol class="changes">${mine.slice(0, 12).map((each) => html`<li key=${each.at + each.status}><span class="muted">${date(each.at)}</span><span><b>${statusWord(each.status)}</b>${each.reason && html`<br /><small>${each.reason}</small>`}</span></li>`)}</ol>`}</section>`;
}

function Activity({ name }) {
  if (!can("GET /api/activity")) return null;
  const mine = [...running.value, ...requests.value].filter((each) => each.provider === name).slice(0, 10);
  return html`<section class="group-box" aria-label="Last requests"><div class="group-head"><h2>Last requests</h2><a class="muted" href=${link("activity")}>All</a></div>
    ${mine.length === 0 ? html`<p class="model muted">No request to this provider yet.</p>` : html`<div class="table-scroll" tabindex="0" role="region" aria-label="Last requests of this provider"><table class="data dense"><tbody>${mine.map((row) => html`<tr key=${row.id}><td class="muted">${age(row.started_at, now.value)} ago</td><td>${row.model}</td><td class="muted">${row.end_reason ?? row.phase}</td><td class="num">${duration(row.first_byte)}</td><td class="num">${rate(row.tokens_per_second)}</td></tr>`)}</tbody></table></div>`}</section>`;
}
