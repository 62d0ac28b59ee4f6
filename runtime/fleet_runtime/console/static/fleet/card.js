import { can } from "../app/api.js";
import { age, capital, command, count, plural } from "../app/format.js";
import { html } from "../app/html.js";
import { Icon } from "../app/icons.js";
import { Command, Sentence, StatusBadge, Tag } from "../app/parts.js";
import { link } from "../app/router.js";
import { now, reportOf } from "../app/store.js";
import { ProviderActions } from "./actions.js";
import { Memory } from "./memory.js";
import { Sparks } from "./sparks.js";
import { Strip } from "./strip.js";

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
    ${can("GET /api/fleet/{name}/series") && html`<${Sparks} name=${name} />`}
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

function LoadedModels({ report }) {
  const { loaded, loading } = report;
  if (loaded.length + loading.length === 0) {
    return html`<p class="loaded none">${report.models > 0 ? "Nothing loaded" : "No model listed"}</p>`;
  }
  const all = [...loading.map((each) => [each, "loading"]), ...loaded.map((each) => [each, "loaded"])];
  return html`<ul class="loaded">${all.slice(0, SHOWN).map(
    ([model, state]) => html`<li key=${model} class=${state}><span class="dot" aria-hidden="true"></span><span class="loaded-name">${model}</span>${state === "loading" && html`<small>loading</small>`}${(report.in_flight[model] ?? 0) > 0 && html`<small>${plural(report.in_flight[model], "request")}</small>`}</li>`,
  )}${all.length > SHOWN && html`<li class="more">and ${all.length - SHOWN} more</li>`}</ul>`;
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
