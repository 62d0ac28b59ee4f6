import { html } from "../app/html.js";

export function SetupView() {
  return html`<div class="page"><h1>setup</h1></div>`;
}
