import { html } from "../app/html.js";

export function MachineView() {
  return html`<div class="page"><h1>machine</h1></div>`;
}
