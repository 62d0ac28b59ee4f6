import { html } from "../app/html.js";

export function ChatView() {
  return html`<div class="page"><h1>chat</h1></div>`;
}
