import { html } from "../app/html.js";

export function ArenaView() {
  return html`<div class="page"><h1>arena</h1></div>`;
}
