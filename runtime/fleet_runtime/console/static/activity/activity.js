import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { act, BASE, bytes, can, count, date, duration, html, now, rate, send, time } from "../app/base.js";
import { ActionButton, Button, Copy, Dialog, download, Empty, Icon, Notice, Select, Toggle } from "../app/parts.js";
import { providers } from "../app/state.js";
import { refreshActivity, requests, running } from "../app/traffic.js";

const WORDS = {
  ok: "OK",
  client_gone: "Client gone",
  upstream_cut: "Cut",
  upstream_error: "Provider error",
  connect_failed: "Not reached",
  first_byte_timeout: "No response in time",
  idle_timeout: "Stalled",
  refused: "Rejected",
  cancelled: "Cancelled",
};
const PHASES = { receiving: "Receiving", queued: "Queued", waiting: "Waiting", waking: "Waking", responding: "Responding", over: "Over" };
const PAGE = 100;

const filter = signal({ provider: "", end: "", text: "", failed: false });
const set = (fields) => {
  filter.value = { ...filter.value, ...fields };
};

export function ActivityView() {
  useEffect(() => {
    refreshActivity();
    const timer = setInterval(() => !document.hidden && refreshActivity(), 1000);
    return () => clearInterval(timer);
  }, []);
  if (!can("GET /api/activity")) return html`<div class="page"><h1>Activity</h1><${Empty} icon="activity" title="This key does not open the activity" /></div>`;
  return html`<div class="page"><div class="page-head"><h1>Activity</h1><span class="grow muted">${count(running.value.length)} running · the last ${count(requests.value.length)} that are over</span><${Exports} /></div>
    <${Filters} /><${Table} /></div>`;
}

function Filters() {
  const { provider, end, text, failed } = filter.value;
  return html`<div class="toolbar"><label class="searchbox"><${Icon} name="search" size=${16} /><span class="visually-hidden">Model, surface or request id</span>
      <input type="search" placeholder="Model, surface or request id" value=${text} onInput=${(event) => set({ text: event.currentTarget.value })} /></label>
    <${Select} label="Provider" value=${provider} options=${[["", "All providers"], ...providers.value.map((each) => [each.name, each.label])]} onChange=${(value) => set({ provider: value })} />
    <${Select} label="How it ended" value=${end} options=${[["", "However it ended"], ...Object.entries(WORDS)]} onChange=${(value) => set({ end: value })} />
    <${Toggle} pressed=${failed} onChange=${(value) => set({ failed: value })}>Errors only<//></div>`;
}

const isError = (row) => row.end_reason !== null && (row.end_reason !== "ok" || row.status >= 400);

function selected(rows) {
  const { provider, end, text, failed } = filter.value;
  const wanted = text.trim().toLowerCase();
  return rows.filter((row) => (provider === "" || row.provider === provider) && (end === "" || row.end_reason === end) && (!failed || isError(row))
    && (wanted === "" || `${row.provider}/${row.model} ${row.requested ?? ""} ${row.surface ?? ""} ${row.request_id}`.toLowerCase().includes(wanted)));
}

function Exports() {
  const rows = () => selected([...running.value, ...requests.value]);
  const csv = () => {
    const all = rows();
    if (all.length === 0) return "";
    const names = Object.keys(all[0]);
    const cell = (value) => (value === null ? "" : /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    return `${[names.join(","), ...all.map((row) => names.map((name) => cell(row[name])).join(","))].join("\n")}\n`;
  };
  return html`<span><${Button} icon="download" onClick=${() => download("activity.csv", csv(), "text/csv")}>CSV<//> <${Button} icon="download" onClick=${() => download("activity.json", JSON.stringify(rows(), null, 2), "application/json")}>JSON<//></span>`;
}

function Table() {
  const [shown, setShown] = useState(PAGE);
  const [opened, setOpened] = useState(null);
  const runs = selected(running.value);
  const over = selected(requests.value);
  if (runs.length + over.length === 0) {
    return html`<${Empty} icon="activity" title=${requests.value.length > 0 ? "No request matches" : "No request yet"}><p>Every request through this gateway appears here while it runs and after it has ended, without its text.</p><//>`;
  }
  return html`<div class="table-box" tabindex="0" role="region" aria-label="Requests"><table class="data dense"><thead><tr><th>Time</th><th>Model</th><th>Surface</th><th>End</th><th class="num">First token</th><th class="num">Total</th><th class="num">In</th><th class="num">Out</th><th class="num">Tokens/s</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody>${[...runs, ...over.slice(0, shown)].map((row) => html`<${Row} key=${row.id} row=${row} onOpen=${setOpened} />`)}</tbody></table></div>
    ${over.length > shown && html`<${Button} onClick=${() => setShown(shown + PAGE * 3)}>Show more (${count(over.length - shown)})<//>`}
    ${opened !== null && html`<${Request} row=${[...running.value, ...requests.value].find((each) => each.id === opened.id) ?? opened} onClose=${() => setOpened(null)} />`}`;
}

function Row({ row, onOpen }) {
  const over = row.end_reason !== null;
  const total = over ? row.total : Math.max(row.total, (now.value - Date.parse(row.started_at)) / 1000);
  return html`<tr class=${`opens activity-row${over ? "" : " running"}`} onClick=${(event) => !event.target.closest("button") && onOpen(row)}>
    <td class="muted">${time(row.started_at)}</td>
    <td><div class="cell-main"><button type="button" class="row-open" onClick=${() => onOpen(row)}>${row.model === null ? row.requested ?? row.endpoint : `${row.provider}/${row.model}`}</button></div></td>
    <td class="muted">${row.surface ?? "–"}</td>
    <td><${End} row=${row} /></td>
    <td class="num">${row.first_byte === null ? "–" : duration(row.first_byte)}${row.state !== null && row.state !== "loaded" && row.state !== "unknown" && html` <small>cold</small>`}</td><td class="num">${duration(total)}</td>
    <td class="num">${count(row.tokens_in)}</td><td class="num">${count(row.tokens_out)}</td><td class="num">${rate(row.tokens_per_second)}</td>
    <td class="num">${!over && can("DELETE /api/activity/{id}") && html`<${ActionButton} icon="stop" kind="quiet" label=${`Cancel the request to ${row.provider}/${row.model}`} run=${() => act("DELETE", `/api/activity/${row.id}`).then(() => refreshActivity())} />`}</td></tr>`;
}

function End({ row }) {
  if (row.end_reason === null) return html`<span class="end run">${PHASES[row.phase]}…</span>`;
  const kind = row.end_reason === "client_gone" || row.end_reason === "cancelled" ? "warn" : isError(row) ? "bad" : "ok";
  return html`<span class=${`end ${kind}`}>${row.end_reason === "ok" ? row.status : `${WORDS[row.end_reason]}${row.status ? ` ${row.status}` : ""}`}</span>`;
}

/** A request in full, with its capture if there is one. */
function Request({ row, onClose }) {
  const [capture, setCapture] = useState(null);
  const path = "GET /api/activity/{id}/capture";
  useEffect(() => {
    if (!can(path)) return;
    send("GET", new URL(`api/activity/${row.id}/capture`, BASE).href).then((response) => response.json()).then(setCapture, () => {});
  }, [row.id]);
  const facts = [
    ["Request", row.request_id], ["Time", date(row.started_at)], ["Path", `${row.surface ? `/${row.surface}` : ""}${row.endpoint}`], ["Asked for", row.requested],
    ["Went to", row.model && `${row.provider}/${row.model}, ${row.via}${row.fallback ? ", a later choice" : ""}${row.retried ? ", sent again" : ""}`], ["Model was", row.state],
    ["Status", [row.status, row.code].filter(Boolean).join(" ")], ["End", row.end_reason ? WORDS[row.end_reason] : PHASES[row.phase]], ["First byte", duration(row.first_byte)], ["Total", duration(row.total)],
    ["Tokens", `${count(row.tokens_in)} in (${count(row.tokens_cached)} cached), ${count(row.tokens_out)} out`], ["Tokens/s", rate(row.tokens_per_second)], ["Bytes", `${bytes(row.bytes_in)} in, ${bytes(row.bytes_out)} out`],
  ];
  return html`<${Dialog} title="Request" wide=${capture !== null} onClose=${onClose}>
    <dl class="facts">${facts.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value || "–"}</dd>`)}</dl>
    ${capture !== null && html`<${Capture} capture=${capture} />`}
    <${Notice}><span>Neither the prompt nor the response is kept${capture === null ? "" : " outside of this capture, which is lost with a restart"}. <${Copy} text=${() => JSON.stringify(row, null, 2)} label="Copy as JSON">Copy as JSON<//></span><//><//>`;
}

function Capture({ capture }) {
  const show = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
  return html`${capture.curl && html`<h3>As curl <${Copy} text=${capture.curl} label="Copy as curl" /></h3>`}
    ${["request", "response"].map((part) => capture[part] && html`<h3 key=${part}>${part === "request" ? "Request" : "Response"} as ${part === "request" ? "received" : "sent"}</h3><pre class="capture" tabindex="0">${show(capture[part])}</pre>`)}`;
}
