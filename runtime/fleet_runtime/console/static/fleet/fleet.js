import { age, bytes, can, count, date, duration, html, link, now, plural, rate, snapshot } from "../app/base.js";
import { Command, Copy, Empty, Icon, Notice, Remedy, Sentence, Spark, StatusBadge, Tag } from "../app/parts.js";
import { loadError } from "../app/reader.js";
import { fleet, history, reportOf } from "../app/state.js";
import { lately, traffic } from "../app/traffic.js";
import { driftText, Kind, Memory, ProviderActions, Reason, Strip } from "./provider.js";

const SHOWN = 3;

function Card({ name, changes, drift }) {
  const report = reportOf(name).value;
  if (report === null) return null;
  const inFlight = Object.values(report.in_flight).reduce((sum, each) => sum + each, 0);
  return html`<li class=${`card ${report.status}`}>
    <div class="card-head">
      <div class="card-title"><h2><a href=${link("machine", name)}>${report.label}</a></h2>
        <p class="card-kind">${report.class === "cloud" && html`<${Icon} name="cloud" size=${14} />`}<${Kind} report=${report} />${report.sidecar !== null && html`<span class=${report.sidecar} title="chat and completions go through it">· sidecar ${report.sidecar}</span>`}</p></div>
      <${ProviderActions} report=${report} />
    </div>
    <p class="card-status"><${StatusBadge} report=${report} />${report.polled && html`<span class="muted" title=${date(report.since)}>for ${age(report.since, now.value)}</span>`}</p>
    <${Reason} report=${report} />
    <${LoadedModels} report=${report} />
    <${Extras} report=${report} drift=${drift} />
    <dl class="card-figures">
      <div><dt>In flight</dt><dd>${count(inFlight)}</dd></div>
      <div><dt>Waiting</dt><dd>${count(report.waiting)}</dd></div>
      <div><dt>Models</dt><dd>${count(report.models)}</dd></div>
      <div><dt>Probe</dt><dd>${report.latency === null || report.status === "offline" ? "–" : html`${Math.max(1, Math.round(report.latency * 1000))}<small> ms</small>`}</dd></div>
    </dl>
    <${Memory} report=${report} />
    ${can("GET /api/activity") && html`<${Sparks} name=${name} />`}
    ${report.status === "unknown" && !report.polled ? html`<p class="muted strip-box">Not probed: its models are declared in fleet.yaml.</p>` : html`<${Strip} name=${name} changes=${changes} />`}
  </li>`;
}

function LoadedModels({ report }) {
  const { loaded, loading } = report;
  if (loaded.length + loading.length === 0) {
    if (report.class === "cloud" || ["offline", "disabled", "config_error", "degraded"].includes(report.status)) return null;
    return html`<p class="in-memory none">${report.models > 0 ? "Nothing loaded" : "No models listed"}</p>`;
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
  if (changes === null && report.warnings.length === 0) return null;
  return html`<div class="card-foot">
    ${changes !== null && html`<${Tag} icon="info" title="compared with fleet.lock; accept it with: fleet lock">${changes}<//>`}
    ${report.warnings.map((each) => html`<p key=${each} class="warning-text"><${Icon} name="warning" size=${14} />${each}</p>`)}
  </div>`;
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
    return html`<${Empty} icon="fleet" title="No providers yet"><p>Add one, and it appears here:</p><${Command} text="fleet add NAME http://HOST:PORT" /><//>`;
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
  const probed = reports.filter((each) => each.polled && each.status !== "disabled");
  const online = probed.filter((each) => each.status === "online").length;
  const running = reports.reduce((sum, each) => sum + Object.values(each.in_flight).reduce((a, b) => a + b, 0), 0);
  const waiting = reports.reduce((sum, each) => sum + each.waiting, 0);
  return html`<dl class="figures">
    <div><dt>Online</dt><dd>${online}<small> of ${probed.length}</small></dd></div>
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
  return html`${report.refused !== null && html`<${Notice} kind="bad"><b>The newest build was rejected</b>; the previous one is still serving. <${Sentence} text=${report.refused} />
      <${Remedy} text=${report.refused_remedy} /><//>`}
    ${report.needs_restart.length > 0 && html`<${Notice} kind="warn">Applied only after a restart of the gateway: ${report.needs_restart.map((each) => `gateway.${each}`).join(", ")}.<//>`}
    ${report.captures && html`<${Notice} kind="warn"><b>Captures are on</b>: the last ${count(report.captures.keep)} requests are kept in memory, prompts and responses included.<//>`}
    ${report.store.state === "down" && html`<${Notice} kind="bad"><b>Favorites and history cannot be saved</b>: ${report.store.reason}<//>`}`;
}
