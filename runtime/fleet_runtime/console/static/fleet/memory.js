import { bytes } from "../app/format.js";
import { html } from "../app/html.js";

/** What the server says of its memory; nothing where it says nothing. */
export function Memory({ report }) {
  const gauges = report.memory?.devices ?? [];
  if (gauges.length === 0) return null;
  return html`<ul class="memory">${gauges.map(({ name, used, total }) => html`<li key=${name}><span>${name}</span>
    <meter min="0" max=${total} value=${used} aria-label=${`${name}: ${bytes(used)} of ${bytes(total)}`}></meter>
    <span class="num">${bytes(used)}<small> of ${bytes(total)}</small></span></li>`)}</ul>`;
}
