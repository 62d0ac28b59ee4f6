import { useEffect, useState } from "preact/hooks";
import { access, act, BASE, bytes, can, count, duration, get, html, surface } from "../app/base.js";
import { ActionButton, Button, Command, Copy, Icon, Notice, Remedy, Sentence, Toggle } from "../app/parts.js";
import { catalog, fleet, refreshAll } from "../app/state.js";
import { baseUrl, curlOf, firstModel, ModelChoice } from "../models/choice.js";

/** Kinds of client: `[name, kind of fleet connect, hint, what is entered by hand]`, for a model. */
function clients(model, keyed) {
  const url = baseUrl();
  const key = keyed ? "YOUR_KEY" : "none";
  return [
    ["Environment", "env", "OpenAI's SDKs and most tools read these", `export OPENAI_BASE_URL=${url}\nexport OPENAI_API_KEY=${key}`],
    ["Python", null, "The openai package", `from openai import OpenAI\n\nclient = OpenAI(base_url="${url}", api_key="${key}")\nresponse = client.chat.completions.create(\n    model="${model}",\n    messages=[{"role": "user", "content": "Hello"}],\n)\nprint(response.choices[0].message.content)`],
    ["JavaScript", null, "The openai package", `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${url}", apiKey: "${key}" });\nconst response = await client.chat.completions.create({\n  model: "${model}",\n  messages: [{ role: "user", content: "Hello" }],\n});\nconsole.log(response.choices[0].message.content);`],
    ["curl", null, "Any shell", curlOf(model, "YOUR_KEY", keyed)],
    ["opencode", "opencode", "opencode.json", JSON.stringify({ provider: { fleet: { npm: "@ai-sdk/openai-compatible", options: { baseURL: url, ...(keyed ? { apiKey: "{env:FLEET_KEY}" } : {}) }, models: { [model]: {} } } }, model: `fleet/${model}` }, null, 2)],
    ["Claude Code", "claude-code", "Anthropic's API of the same gateway", `export ANTHROPIC_BASE_URL=${url.replace(/\/v1$/, "")}\nexport ANTHROPIC_AUTH_TOKEN=${key}\nexport ANTHROPIC_MODEL=${model}\nclaude`],
    ["Open WebUI", "open-webui", "Admin settings, Connections, OpenAI API", `URL: ${url}\nKey: ${key}`],
    ["Continue", "continue", "config.yaml", `models:\n  - name: ${model}\n    provider: openai\n    model: ${model}\n    apiBase: ${url}\n    apiKey: ${key}`],
    ["aider", "aider", "Any shell", `aider --openai-api-base ${url} --openai-api-key ${key} --model openai/${model}`],
    ...[["Codex", "codex"], ["gptme", "gptme"], ["llm", "llm"], ["pi", "pi"], ["Qwen Code", "qwen-code"]].map(([name, kind]) => [name, kind, "", null]),
  ];
}

/** The surface for a kind of client: the one that is shown, else one that has it, else any. */
function surfaceFor(kind, surfaces) {
  const names = Object.keys(surfaces);
  return surface.value ?? names.find((name) => surfaces[name].includes(kind)) ?? names[0];
}

export function SetupView() {
  return html`<div class="page"><div class="page-head"><h1>Setup</h1>
      ${can("POST /api/reload") && html`<${ActionButton} icon="refresh" run=${reload} done="Configuration reloaded">Reload the configuration<//>`}</div>
    <div class="setup-columns"><div class="stack">${catalog.value !== null && html`<${Connect} />`}<${Findings} /></div><div class="stack"><${Settings} /></div></div></div>`;
}

async function reload() {
  await act("POST", "/api/reload", {});
  await refreshAll();
}

function useRead(operation, path) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const version = fleet.value?.snapshot;
  const read = () => can(operation) && get(path).then(setFound, setError);
  useEffect(() => void read(), [version]);
  return [found, error, read];
}

function Connect() {
  const [picked, setModel] = useState(null);
  const model = picked ?? firstModel();
  const [place, setPlace] = useState(0);
  const [found] = useRead("GET /api/clients", "/api/clients");
  const keyed = access.value.key !== null;
  const all = clients(model, keyed);
  const [name, kind, hint, text] = all[place];
  const at = kind !== null && found !== null && surfaceFor(kind, found.surfaces);
  const options = `--url ${BASE.replace(/\/$/, "")} --surface ${at} ${kind}`;
  return html`<section class="panel" aria-labelledby="connect-title"><div class="panel-head"><h2 id="connect-title">Connect a client</h2><${ModelChoice} value=${model} onChange=${setModel} /></div>
    <div class="tabs" role="group" aria-label="Kind of client">${all.map(([each], at) => html`<${Toggle} key=${each} pressed=${at === place} onChange=${() => setPlace(at)}>${each}<//>`)}</div>
    ${text !== null && html`<p class="muted">${hint}</p><div class="snippet"><pre tabindex="0" aria-label=${name}>${text}</pre><${Copy} text=${text} label=${`Copy for ${name}`} /></div>`}
    ${at && html`<p class="muted">On a computer with fleet${keyed ? " and the key in FLEET_KEY" : ""}: start it with every model, or print what to enter.</p>
      <${Command} text=${`fleet run ${options}${kind === "env" ? " COMMAND" : ""}`} /><${Command} text=${`fleet connect ${options}`} />`}</section>`;
}

const RANK = { error: 0, warning: 1, note: 2 };

function Findings() {
  const [found, error, read] = useRead("GET /api/findings", "/api/findings");
  if (!can("GET /api/findings")) return null;
  const sorted = [...(found?.findings ?? [])].sort((a, b) => RANK[a.severity] - RANK[b.severity]);
  return html`<section class="panel" aria-labelledby="doctor-title"><div class="panel-head"><h2 id="doctor-title">Findings of fleet doctor</h2><${Button} icon="refresh" kind="quiet" label="Check again" onClick=${read} /></div>
    ${error !== null && html`<${Notice} kind="bad">${error.message}<//>`}
    ${found !== null && sorted.length === 0 && html`<p class="muted"><${Icon} name="check" size=${15} /> No problems found. <code>fleet doctor</code> also checks the local files.</p>`}
    <div>${sorted.map((each, place) => html`<div class="finding" key=${place}><div class="finding-head"><span class=${`severity ${each.severity}`}>${each.severity}</span><span>${each.where} <${Sentence} text=${each.what} /></span></div>
      <${Remedy} text=${each.remedy} /></div>`)}</div></section>`;
}

function Settings() {
  const [found, error] = useRead("GET /api/settings", "/api/settings");
  const { key, surfaces } = access.value;
  const facts = found && [
    ["Version", found.version], ["Listens on", found.listen], ["URL", found.url], ["Host names", found.hosts.join(", ") || "its own"], ["Origins", found.origins.join(", ") || "its own"],
    ["Largest body", bytes(found.limits.body)], ["Bodies in memory", bytes(found.limits.memory)], ["Drain", duration(found.drain)],
    ["Probes", `every ${duration(found.inventory.interval)}, at most ${duration(found.inventory.timeout)}`], ["Grace", duration(found.inventory.grace)], ["State", found.state], ["Captures", found.captures === null ? "off" : `the last ${count(found.captures.keep)} requests`],
  ];
  return html`<section class="panel" aria-labelledby="key-title"><h2 id="key-title">This page</h2><dl class="facts"><dt>Key</dt><dd>${key ?? "the gateway has no keys"}</dd><dt>Surfaces</dt><dd>${surfaces === null ? "all" : surfaces.join(", ")}</dd></dl></section>
    ${error !== null && html`<${Notice} kind="bad">${error.message}<//>`}
    ${facts && html`<section class="panel" aria-labelledby="settings-title"><h2 id="settings-title">Current settings</h2><dl class="facts">${facts.map(([word, value]) => html`<dt key=${word}>${word}</dt><dd>${value}</dd>`)}</dl></section>
    <section class="panel" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2>${found.keys.length === 0 ? html`<p class="muted">None: anyone who can reach the gateway may use it.</p>` : html`<dl class="facts">${found.keys.map((each) => html`<dt key=${each.name}>${each.name}</dt><dd>${each.surfaces === null ? "opens everything" : `opens ${each.surfaces.join(", ")}`} <small>from ${each.source === "env" ? "the environment" : "a file"}, ${each.last_used === null ? "not used yet" : html`last used <time datetime=${each.last_used}>${new Date(each.last_used).toLocaleString()}</time>`}</small></dd>`)}</dl>`}</section>`}`;
}
