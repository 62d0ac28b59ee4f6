import { html } from "../app/html.js";

export function ActivityView() {
  return html`<div class="page"><h1>activity</h1></div>`;
}
