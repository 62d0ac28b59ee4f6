import { html } from "../app/html.js";

export function ModelsView() {
  return html`<div class="page"><h1>models</h1></div>`;
}
