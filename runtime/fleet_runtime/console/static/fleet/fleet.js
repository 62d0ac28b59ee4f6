import { can } from "../app/api.js";
import { age, snapshot } from "../app/format.js";
import { html } from "../app/html.js";
import { Copy, Empty, Notice } from "../app/parts.js";
import { fleet, history, loadError, now, reportOf } from "../app/store.js";
import { Card } from "./card.js";
import { Command } from "../app/parts.js";
import { command } from "../app/format.js";
import { Traffic } from "./traffic.js";

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
      <small>${age(report.serving_since ?? report.started_at, now.value)} old</small></dd></div>
  </dl>`;
}

function Rejected({ report }) {
  if (report === null) return null;
  const remedy = report.refused_remedy;
  return html`${report.refused !== null && html`<${Notice} kind="bad"><b>The newest build was rejected</b>; the previous one is still serving. ${report.refused}
      ${command(remedy) !== null && html`<${Command} text=${command(remedy)} />`}<//>`}
    ${report.needs_restart.length > 0 && html`<${Notice} kind="warn">Applied only after a restart of the gateway: ${report.needs_restart.map((each) => `gateway.${each}`).join(", ")}.<//>`}
    ${report.store.fault !== null && html`<${Notice} kind="bad"><b>Favorites and history cannot be saved</b>: ${report.store.fault}<//>`}`;
}
