import { useEffect, useState } from "preact/hooks";
import { BASE, bytes, can, count, date, duration, html, rate, send } from "../app/base.js";
import { Copy, Dialog, Notice } from "../app/parts.js";

/** How a request can end. */
export const WORDS = {
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
/** What a request that runs does now. */
export const PHASES = { receiving: "Receiving", queued: "Queued", waiting: "Waiting", waking: "Waking", responding: "Responding", over: "Over" };

export const isError = (row) => row.end_reason !== null && (row.end_reason !== "ok" || row.status >= 400);

/** A request in full, with its capture if there is one. */
export function Request({ row, onClose }) {
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
