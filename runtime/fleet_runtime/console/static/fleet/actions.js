import { act, can } from "../app/api.js";
import { html } from "../app/html.js";
import { ActionButton } from "../app/parts.js";
import { refreshCatalog, refreshFleet } from "../app/store.js";

const path = (name, action) => `/api/fleet/${encodeURIComponent(name)}/${action}`;

export const mayUnload = () => can("POST /api/fleet/{name}/unload");
export const mayLoad = () => can("POST /api/fleet/{name}/load");

async function run(name, action, body = {}) {
  await act("POST", path(name, action), body);
  await Promise.all([refreshFleet(), refreshCatalog()]);
}

/** Unload a model; while requests run there, only after a question. */
export async function unload(name, model) {
  try {
    await run(name, "unload", { model });
  } catch (error) {
    if (error.status !== 409 || error.code === "not_supported") throw error;
    if (confirm(`${error.message}\n\nUnload it all the same? The requests that run are cut.`)) {
      await run(name, "unload", { model, force: true });
    }
  }
}

export const load = (name, model) => run(name, "load", { model });

/** Wake, probe now, unload: those that the key may use and that this provider takes. */
export function ProviderActions({ report, words = false }) {
  const { name } = report;
  const wakes = can("POST /api/fleet/{name}/wake") && report.wake && report.status === "offline";
  const only = report.loaded.length === 1 ? report.loaded[0] : null;
  return html`<div class="actions">
    ${wakes && html`<${ActionButton} icon="power" kind="primary" run=${() => run(name, "wake")} done=${`${report.label} wakes up`}>Wake<//>`}
    ${mayUnload() && report.can_unload !== false && only !== null && html`<${ActionButton} icon="eject" kind="quiet" label=${`Unload ${only}`} run=${() => unload(name, only)}>${words && `Unload ${only}`}<//>`}
    ${can("POST /api/fleet/{name}/refresh") && report.status !== "disabled" && html`<${ActionButton} icon="refresh" kind="quiet" label=${`Probe ${report.label} now`} run=${() => run(name, "refresh")}>${words && "Probe now"}<//>`}
  </div>`;
}
