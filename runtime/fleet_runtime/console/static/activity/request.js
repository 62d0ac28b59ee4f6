import { useEffect, useState } from "preact/hooks";
import { BASE, bytes, can, count, date, duration, html, rate, send } from "../app/base.js";
import { Copy, Dialog, Notice, pretty, Segmented } from "../app/parts.js";
import { fleet } from "../app/state.js";

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
    if (!can(path) || !fleet.value?.captures) return;
    send("GET", new URL(`api/activity/${row.id}/capture`, BASE).href).then((response) => response.json()).then(setCapture, () => {});
  }, [row.id]);
  const facts = [
    ["Request", row.request_id], ["Time", date(row.started_at)], ["Path", `${row.surface ? `/${row.surface}` : ""}${row.endpoint}`], ["Requested", row.requested],
    ["Sent to", row.model && `${row.provider}/${row.model}, ${row.via}${row.fallback ? ", a later choice" : ""}${row.retried ? ", sent again" : ""}`], ["Model state", row.state],
    ["Status", [row.status, row.code].filter(Boolean).join(" ")], ["End", row.end_reason ? WORDS[row.end_reason] : PHASES[row.phase]], ["First byte", duration(row.first_byte)], ["Total", duration(row.total)],
    ["Tokens", `${count(row.tokens_in)} in (${count(row.tokens_cached)} cached), ${count(row.tokens_out)} out`], ["Tokens/s", rate(row.tokens_per_second)], ["Bytes", `${bytes(row.bytes_in)} in, ${bytes(row.bytes_out)} out`],
  ];
  const copy = html`<${Copy} text=${() => JSON.stringify(row, null, 2)} label="Copy as JSON">JSON<//>`;
  return html`<${Dialog} title="Request" wide=${capture !== null} onClose=${onClose}>
    <dl class="facts">${facts.map(([name, value]) => html`<dt key=${name}>${name}</dt><dd>${value || "–"}</dd>`)}</dl>
    ${capture !== null && html`<${Capture} capture=${capture} />`}
    <${Notice} action=${copy}>Neither the prompt nor the response is kept${capture === null ? "" : " outside of this capture, which is lost with a restart"}.<//><//>`;
}

const MESSAGES = [["request", "From the client"], ["sent", "To the provider"], ["received", "From the provider"], ["response", "To the client"]];

/** A message as text: its first line, its headers and what is known of its body. */
function messageText({ start, headers, omitted, size, body, body_base64: encoded, body_end: end, truncated }) {
  const lines = [start, ...headers.map(([name, value]) => `${name}: ${value}`)];
  if (omitted > 0) lines.push(`(${count(omitted)} more headers)`);
  if (body === undefined) return lines.join("\n");
  lines.push("", body !== null ? pretty(body) : `(${bytes(size)} that are not text, in base64)\n${encoded}`);
  if (end !== null) lines.push("(…)", end);
  if (truncated) lines.push(`(the beginning${end === null ? "" : " and the end"} of ${bytes(size)})`);
  return lines.join("\n");
}

function Capture({ capture }) {
  const known = MESSAGES.filter(([part]) => capture[part] !== null);
  const [part, setPart] = useState("request");
  const text = messageText(capture[part]);
  return html`<div class="panel-head"><${Segmented} label="Message" value=${part} options=${known} onChange=${setPart} />
      <span><${Copy} text=${text} label="Copy the message">Text<//>${capture.curl && html`<${Copy} text=${capture.curl} label="Copy as curl">curl<//>`}</span></div>
    <pre class="capture" tabindex="0" aria-label=${known.find(([each]) => each === part)[1]}>${text}</pre>`;
}
