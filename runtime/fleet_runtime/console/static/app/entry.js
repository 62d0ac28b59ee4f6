import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { BASE, access, key, send, setKey, setSurface, surface } from "./api.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { Button } from "./parts.js";
import { restart, start } from "./store.js";

/** "starting", "locked" (a key is needed), "open", or "unreachable". */
export const entry = signal("starting");
const refused = signal(null);

/** Find out what this key opens, and begin. */
export async function boot() {
  try {
    const response = await send("GET", new URL("api/access", BASE).href);
    const opened = await response.json();
    if (opened.surfaces !== null && !opened.surfaces.includes(surface.value)) setSurface(opened.surfaces[0]);
    access.value = opened;
    entry.value = "open";
    refused.value = null;
    await start();
  } catch (error) {
    if (error.status === 401) {
      refused.value = key.value === null ? null : "The gateway does not know this key.";
      entry.value = "locked";
    } else {
      refused.value = error.message;
      entry.value = "unreachable";
      setTimeout(boot, 2000);
    }
  }
}

export function changeSurface(name) {
  setSurface(name);
  restart();
}

export function forgetKey() {
  setKey(null);
  location.reload();
}

/** What is shown until the fleet can be read. */
export function Entry() {
  if (entry.value === "locked") return html`<${KeyForm} />`;
  const text = entry.value === "starting" ? "Connecting…" : `The gateway at ${location.host} does not respond. Trying again…`;
  return html`<main class="entry"><div class="entry-box" role="status"><${Icon} name="fleet" size=${32} /><p>${text}</p></div></main>`;
}

function KeyForm() {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  async function onSubmit(event) {
    event.preventDefault();
    setBusy(true);
    setKey(text.trim());
    await boot();
    setBusy(false);
  }
  return html`<main class="entry"><form class="entry-box" onSubmit=${onSubmit}>
    <${Icon} name="key" size=${28} />
    <h1>${location.hostname}</h1>
    <p>This gateway needs a key: one of <code>gateway.keys</code> in fleet.yaml. It stays in this tab and is sent to this gateway only.</p>
    <label class="field"><span class="label">Key</span>
      <input type="password" autocomplete="off" autofocus required value=${text} onInput=${(event) => setText(event.currentTarget.value)}
        aria-invalid=${refused.value ? "true" : undefined} aria-describedby="key-error" /></label>
    <p id="key-error" class="error-text" role="alert">${refused.value}</p>
    <${Button} type="submit" kind="primary" busy=${busy}>Open<//>
  </form></main>`;
}
