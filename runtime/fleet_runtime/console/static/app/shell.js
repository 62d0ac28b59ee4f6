import { signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ActivityView } from "../activity/activity.js";
import { ArenaView } from "../arena/arena.js";
import { runningAnswers } from "../chat/answers.js";
import { ChatView } from "../chat/chat.js";
import { FleetView } from "../fleet/fleet.js";
import { MachineView } from "../fleet/machine.js";
import { ModelsView } from "../models/models.js";
import { SetupView } from "../setup/setup.js";
import { access, age, BASE, html, key, link, nextTheme, now, route, send, setKey, setSurface, setTheme, surface, theme } from "./base.js";
import { feedState } from "./feed.js";
import { Button, Icon, Notices, Select } from "./parts.js";
import { fleet, restart, start } from "./state.js";

/** "starting", "locked" (a key is needed), "open", or "unreachable". */
const entry = signal("starting");
const refused = signal(null);

/** Find out what this key opens, and begin. */
async function boot() {
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
      refused.value = key.value === null ? null : "The gateway rejected this key.";
      entry.value = "locked";
    } else {
      refused.value = error.message;
      entry.value = "unreachable";
      setTimeout(boot, 2000);
    }
  }
}

function changeSurface(name) {
  setSurface(name);
  restart();
}

function forgetKey() {
  setKey(null);
  location.reload();
}

/** What is shown until the fleet can be read. */
function Entry() {
  if (entry.value === "locked") return html`<${KeyForm} />`;
  const text = entry.value === "starting" ? "Connecting…" : `The gateway at ${location.host} does not respond. Trying again…`;
  return html`<main class="entry"><div class="entry-box" role="status"><${Icon} name="fleet" size=${32} /><p>${text}</p></div></main>`;
}

function KeyForm() {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  async function onSubmit(event) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setKey(text.trim());
    await boot();
    setBusy(false);
  }
  return html`<main class="entry"><form class="entry-box" onSubmit=${onSubmit}>
    <${Icon} name="key" size=${28} />
    <h1>${location.hostname}</h1>
    <p>This gateway requires a key: one of <code>gateway.keys</code> in fleet.yaml. It is kept in this tab and sent only to this gateway.</p>
    <label class="field"><span class="label">Key</span>
      <input type="password" autocomplete="off" autofocus required value=${text} onInput=${(event) => setText(event.currentTarget.value)}
        aria-invalid=${refused.value ? "true" : undefined} aria-describedby="key-error" /></label>
    <p id="key-error" class="error-text" role="alert">${refused.value}</p>
    <${Button} type="submit" kind="primary" busy=${busy}>Open<//>
  </form></main>`;
}

const NAVIGATION = [
  ["fleet", "Fleet", FleetView],
  ["models", "Models", ModelsView],
  ["chat", "Chat", ChatView],
  ["arena", "Arena", ArenaView],
  ["activity", "Activity", ActivityView],
  ["setup", "Setup", SetupView],
];
const VIEWS = { ...Object.fromEntries(NAVIGATION.map(([view, , component]) => [view, component])), machine: MachineView };

function Shell() {
  if (entry.value !== "open") return html`<${Entry} />`;
  return html`<div class="shell">
    <a class="skip" href="#content" onClick=${skip}>Skip to content</a>
    <${Navigation} />
    <${Content} />
    <${Notices} />
  </div>`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("content").focus();
}

function Content() {
  const { view, part } = route.value;
  const name = NAVIGATION.find(([each]) => each === view)?.[1] ?? part;
  useEffect(() => {
    document.title = `${name} · ${location.hostname} · fleet`;
  }, [name]);
  const View = VIEWS[view];
  return html`<main id="content" tabindex="-1" class=${`view-${view}`}>
    <${FeedMark} />
    <${View} key=${view} part=${part} /></main>`;
}

/** A mark that what is shown may be old. */
function FeedMark() {
  const { live, since } = feedState.value;
  const seconds = (now.value - since) / 1000;
  if (live || seconds < 2) return null;
  return html`<div class="feed-lost" role="alert"><${Icon} name="warning" size=${16} />
    <span>Lost the connection to the gateway. The data shown is ${age(since ? new Date(since).toISOString() : null, now.value)} old; reconnecting…</span></div>`;
}

function Navigation() {
  const here = route.value.view === "machine" ? "fleet" : route.value.view;
  return html`<header class="side">
    <a class="brand" href=${link("fleet")}><span class="brand-mark"><${Icon} name="fleet" size=${18} /></span>
      <span class="brand-text"><b>fleet</b><small>${location.hostname}</small></span></a>
    <nav aria-label="Views">${NAVIGATION.map(
      ([view, word]) => html`<a key=${view} href=${link(view)} aria-current=${view === here ? "page" : undefined}>
        <${Icon} name=${view} size=${19} /><span>${word}</span>${view === "chat" && runningAnswers.value > 0 && html`<span class="running" title="a response is streaming"><span class="visually-hidden">, a response is streaming</span></span>`}</a>`,
    )}</nav>
    <div class="side-foot">
      <${SurfaceChoice} />
      <${FeedDot} />
      <${ThemeButton} />
      ${key.value !== null && html`<${Button} icon="key" kind="quiet" label="Forget this tab's key" onClick=${forgetKey} />`}
    </div></header>`;
}

function SurfaceChoice() {
  const limited = access.value.surfaces;
  const names = limited ?? fleet.value?.surfaces ?? [];
  if (names.length === 0 || limited?.length === 1) {
    return limited === null ? null : html`<span class="surface-name" title="the surface of this key">${surface.value}</span>`;
  }
  const options = [...(limited === null ? [["", "All surfaces"]] : []), ...names.map((name) => [name, name])];
  return html`<${Select} label="Surface" value=${surface.value ?? ""} options=${options} onChange=${changeSurface} />`;
}

function FeedDot() {
  const { live } = feedState.value;
  return html`<span class=${`feed ${live ? "live" : "lost"}`} title=${live ? "changes appear as they happen" : "the connection is lost"}>
    <span class="dot" aria-hidden="true"></span><span class="feed-word">${live ? "Live" : "Lost"}</span></span>`;
}

function ThemeButton() {
  const icons = { system: "auto", light: "sun", dark: "moon" };
  const words = { system: "as the system", light: "light", dark: "dark" };
  return html`<${Button} icon=${icons[theme.value]} kind="quiet" label=${`Theme: ${words[theme.value]}; switch to ${words[nextTheme()]}`} onClick=${() => setTheme(nextTheme())} />`;
}

render(html`<${Shell} />`, document.getElementById("app"));
boot();
