import { useEffect, useState } from "preact/hooks";
import { age, can, context, count, date, duration, get, html, link, now, plural, rate } from "../app/base.js";
import { ActionButton, Chart, Empty, Icon, Segmented, StateBadge, StatusBadge, statusWord, Tag } from "../app/parts.js";
import { fleet, history, providers, reportOf, stateOf } from "../app/state.js";
import { refreshSpeeds, requests, running, speeds } from "../app/traffic.js";
import { driftText, Kind, load, mayLoad, mayUnload, Memory, ProviderActions, Reason, Strip, unload } from "./provider.js";

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
  if (report === null) return html`<div class="page"><${Empty} icon="machine" title=${`“${name}” is not a provider of this fleet`}><a href=${link("fleet")}>Back to the fleet</a><//></div>`;
  return html`<div class="page"><a class="back" href=${link("fleet")}><${Icon} name="left" size=${16} />Fleet</a>
    <div class="page-head"><div class="machine-title"><h1>${report.label}</h1><${StatusBadge} report=${report} />${report.polled && html`<span class="muted" title=${date(report.since)}>for ${age(report.since, now.value)}</span>`}</div><${ProviderActions} report=${report} words=${true} /></div>
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
    ${models.length === 0 ? html`<p class="model muted">No models listed.</p>` : html`<div class="table-scroll" tabindex="0" role="region" aria-label="Models of this provider"><table class="data"><thead><tr><th>Model</th><th>State</th><th class="num">Context</th><th>Source</th><th class="num">Tokens/s</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${models.map((model) => html`<${ModelRow} key=${model.id} model=${model} />`)}</tbody></table></div>`}</section>`;
}

function ModelRow({ model }) {
  const state = stateOf(model.id).value;
  return html`<tr><td><b>${model.model}</b>${model.aliases.length > 0 && html`<br /><small>also ${model.aliases.join(", ")}</small>`}</td><td><${StateBadge} state=${state} /></td><td class="num">${context(model.context)}</td><td class="muted">${model.context_source ?? "–"}</td><td class="num">${rate(speeds.value[model.id]?.tokens_per_second)}</td>
    <td class="num">${mayUnload(model.provider) && state === "loaded" && html`<${ActionButton} icon="eject" kind="quiet" label=${`Unload ${model.model}`} run=${() => unload(model.provider, model.model)} />`}
      ${mayLoad(model.provider) && state === "unloaded" && model.available && html`<${ActionButton} icon="download" kind="quiet" label=${`Load ${model.model}`} run=${() => load(model.provider, model.model)} />`}</td></tr>`;
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
    ["Compared with fleet.lock", drift ? html`${driftText(drift)} ${[...drift.appeared.map((each) => html`<${Tag} key=${each}>+ ${each}<//>`), ...drift.vanished.map((each) => html`<${Tag} key=${each}>− ${each}<//>`)]}` : "as locked"],
    ...(report.formerly.length > 0 ? [["Formerly", report.formerly.join(", ")]] : []),
  ];
  return html`<section class="panel" aria-label="About this provider"><h2>About</h2><dl class="facts">${facts.map(([word, value]) => html`<dt key=${word}>${word}</dt><dd>${value}</dd>`)}</dl>
    <${Memory} report=${report} />
    ${report.warnings.map((each) => html`<p class="warning-text" key=${each}><${Icon} name="warning" size=${14} />${each}</p>`)}</section>`;
}

function Changes({ name }) {
  const mine = history.value.filter((each) => each.provider === name);
  return html`<section class="panel" aria-label="Changes"><h2>Status</h2><${Strip} name=${name} changes=${history.value} />
    ${mine.length === 0 ? html`<p class="muted">No status changes recorded.</p>` : html`<ol class="changes">${mine.slice(0, 12).map((each) => html`<li key=${each.at + each.status}><span class="muted">${date(each.at)}</span><span><b>${statusWord(each.status)}</b>${each.reason && html`<br /><small>${each.reason}</small>`}</span></li>`)}</ol>`}</section>`;
}

function Activity({ name }) {
  if (!can("GET /api/activity")) return null;
  const mine = [...running.value, ...requests.value].filter((each) => each.provider === name).slice(0, 10);
  return html`<section class="group-box" aria-label="Last requests"><div class="group-head"><h2>Last requests</h2><a class="muted" href=${link("activity")}>All</a></div>
    ${mine.length === 0 ? html`<p class="model muted">No requests to this provider yet.</p>` : html`<div class="table-scroll" tabindex="0" role="region" aria-label="Last requests of this provider"><table class="data dense"><tbody>${mine.map((row) => html`<tr key=${row.id}><td class="muted">${age(row.started_at, now.value)} ago</td><td>${row.model}</td><td class="muted">${row.end_reason ?? row.phase}</td><td class="num">${duration(row.first_byte)}</td><td class="num">${rate(row.tokens_per_second)}</td></tr>`)}</tbody></table></div>`}</section>`;
}
