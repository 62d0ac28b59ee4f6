import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { act, can, count, date, duration, html, now, rate, time } from "../app/base.js";
import { ActionButton, Button, download, Empty, Icon, Select, Toggle } from "../app/parts.js";
import { providers } from "../app/state.js";
import { refreshActivity, requests, running } from "../app/traffic.js";
import { isError, PHASES, Request, WORDS } from "./request.js";

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
  return html`<div class="page"><div class="page-head"><h1>Activity</h1><span class="grow muted">${count(running.value.length)} running · ${count(requests.value.length)} finished</span><${Exports} /></div>
    <${Filters} /><${Selection} /></div>`;
}

function Filters() {
  const { provider, end, text, failed } = filter.value;
  return html`<div class="toolbar"><label class="searchbox"><${Icon} name="search" size=${16} /><span class="visually-hidden">Model, surface or request id</span>
      <input type="search" placeholder="Model, surface or request id" value=${text} onInput=${(event) => set({ text: event.currentTarget.value })} /></label>
    <${Select} label="Provider" value=${provider} options=${[["", "All providers"], ...providers.value.map((each) => [each.name, each.label])]} onChange=${(value) => set({ provider: value })} />
    <${Select} label="Result" value=${end} options=${[["", "Any result"], ...Object.entries(WORDS)]} onChange=${(value) => set({ end: value })} />
    <${Toggle} pressed=${failed} onChange=${(value) => set({ failed: value })}>Errors only<//></div>`;
}

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

function Selection() {
  const rows = selected([...running.value, ...requests.value]);
  if (rows.length > 0) return html`<${Table} rows=${rows} />`;
  return html`<${Empty} icon="activity" title=${requests.value.length > 0 ? "No requests match" : "No requests yet"}><p>Requests through this gateway appear here, running and finished, without their text.</p><//>`;
}

const ROW = 37;
const STEP = 16;

/** The first and the last of `total` rows that are near what is seen of the page; the others need no element. */
function useWindow(body, total) {
  const [first, setFirst] = useState(0);
  useEffect(() => {
    const page = document.getElementById("content");
    const read = () => {
      const above = page.getBoundingClientRect().top - body.current.getBoundingClientRect().top;
      setFirst(Math.max(0, Math.floor(above / ROW / STEP) * STEP - STEP));
    };
    page.addEventListener("scroll", read, { passive: true });
    return () => page.removeEventListener("scroll", read);
  }, []);
  return [Math.min(first, total), Math.min(first + Math.ceil(innerHeight / ROW / STEP) * STEP + 3 * STEP, total)];
}

const COLUMNS = [["Time", "time"], ["Model", ""], ["Surface", "surface"], ["End", "ended"], ["First token", "num first"], ["Total", "num"], ["Prompt", "num"], ["Output", "num"], ["Tokens/s", "num"]];

/** Requests as rows, each of which opens in full. */
function Table({ rows }) {
  const body = useRef(null);
  const [opened, setOpened] = useState(null);
  const [first, last] = useWindow(body, rows.length);
  const space = (count) => count > 0 && html`<tr aria-hidden="true" style=${{ height: `${count * ROW}px` }}></tr>`;
  return html`<div class="table-box" tabindex="0" role="region" aria-label="Requests"><table class="data requests" aria-rowcount=${rows.length + 1}><thead><tr aria-rowindex="1">${COLUMNS.map(([word, kind]) => html`<th key=${word} class=${kind}>${word}</th>`)}<th class="act"><span class="visually-hidden">Actions</span></th></tr></thead>
    <tbody ref=${body}>${space(first)}${rows.slice(first, last).map((row, place) => html`<${Row} key=${row.id} row=${row} index=${first + place + 2} onOpen=${setOpened} />`)}${space(rows.length - last)}</tbody></table></div>
    ${opened !== null && html`<${Request} row=${rows.find((each) => each.id === opened.id) ?? opened} onClose=${() => setOpened(null)} />`}`;
}

function Row({ row, index, onOpen }) {
  const over = row.end_reason !== null;
  const total = over ? row.total : Math.max(row.total, (now.value - Date.parse(row.started_at)) / 1000);
  const name = row.model === null ? row.requested ?? row.endpoint : `${row.provider}/${row.model}`;
  const cold = row.state !== null && row.state !== "loaded" && row.state !== "unknown";
  return html`<tr class=${`opens${over ? "" : " running"}`} aria-rowindex=${index} onClick=${(event) => !event.target.closest("button") && onOpen(row)}>
    <td class="muted" title=${date(row.started_at)}>${time(row.started_at)}</td>
    <td><button type="button" class="row-open" title=${name} onClick=${() => onOpen(row)}>${row.model === null ? name : html`<span>${row.provider}/</span><span>${row.model}</span>`}</button></td>
    <td class="muted">${row.surface ?? "–"}</td>
    <td><${End} row=${row} /></td>
    <td class="num">${cold && html`<small>cold</small> `}${duration(row.first_byte)}</td><td class="num">${duration(total)}</td>
    <td class="num">${count(row.tokens_in)}</td><td class="num">${count(row.tokens_out)}</td><td class="num">${rate(row.tokens_per_second)}</td>
    <td>${!over && can("DELETE /api/activity/{id}") && html`<${ActionButton} icon="stop" kind="quiet" label=${`Cancel the request to ${name}`} run=${() => act("DELETE", `/api/activity/${row.id}`).then(() => refreshActivity())} />`}</td></tr>`;
}

function End({ row }) {
  if (row.end_reason === null) return html`<span class="end run">${PHASES[row.phase]}…</span>`;
  const kind = row.end_reason === "client_gone" || row.end_reason === "cancelled" ? "warn" : isError(row) ? "bad" : "ok";
  return html`<span class=${`end ${kind}`}>${row.end_reason === "ok" ? row.status : `${WORDS[row.end_reason]}${row.status ? ` ${row.status}` : ""}`}</span>`;
}
