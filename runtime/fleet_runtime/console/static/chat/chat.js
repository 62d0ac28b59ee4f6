import { effect, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { count, duration, go, html, link, local, rate, surface } from "../app/base.js";
import { Button, Copy, download, Empty, Icon, Notice, notify, Toggle, useFollowEnd } from "../app/parts.js";
import { catalog, evicts, models, providers, reportOf, shareSlot, usableFavorites } from "../app/state.js";
import { chatModels, firstModel, meant, ModelChoice } from "../models/models.js";
import { Answer, asMarkdown, asRequest, conversations, create, elsewhere, loaded, plain, remove, save, update } from "./answers.js";
import { MarkdownStream } from "./markdown.js";

const FIELDS = [
  ["temperature", "Temperature", { min: 0, max: 2, step: 0.1 }],
  ["top_p", "Top p", { min: 0, max: 1, step: 0.05 }],
  ["max_tokens", "Most tokens", { min: 1, step: 1 }],
  ["seed", "Seed", { step: 1 }],
];

/** The system prompt and what is sent besides the messages; empty fields are not sent. */
export function ChatSettings({ conversation, onChange }) {
  const { system, parameters } = conversation;
  const set = (name, value) => onChange({ parameters: { ...parameters, [name]: value } });
  const setTools = (text) => {
    if (text.trim() === "") return set("tools", undefined);
    try {
      return set("tools", JSON.parse(text));
    } catch (error) {
      return notify(`the tools are not JSON: ${error.message}`, "bad");
    }
  };
  return html`<div class="chat-settings"><label class="field"><span class="label">System prompt</span>
      <textarea rows="2" value=${system} onChange=${(event) => onChange({ system: event.currentTarget.value })}></textarea></label>
    <div class="parameters">${FIELDS.map(([name, word, limits]) => html`<label class="field" key=${name}><span class="label">${word}</span>
      <input type="number" ...${limits} placeholder="default" value=${parameters[name] ?? ""} onChange=${(event) => set(name, event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))} /></label>`)}</div>
    <details><summary class="label">Tools</summary><label class="field"><span class="visually-hidden">Tools as JSON</span>
      <textarea rows="3" class="mono" placeholder=${'[{"type": "function", "function": {"name": "…", "parameters": {}}}]'} value=${parameters.tools ? JSON.stringify(parameters.tools, null, 1) : ""} onChange=${(event) => setTools(event.currentTarget.value)}></textarea></label></details></div>`;
}

const MOST_BYTES = 8_000_000;

/** Where a message is written: Enter sends, Shift+Enter breaks the line. */
export function Composer({ draft, onSend, onStop, running, vision, disabled, placeholder }) {
  const [text, setText] = useState("");
  const [images, setImages] = useState([]);
  const field = useRef(null);
  const file = useRef(null);
  useEffect(() => {
    if (draft === null || draft === undefined) return;
    setText(draft.text);
    setImages(draft.images ?? []);
    field.current.focus();
  }, [draft]);
  useEffect(() => {
    const { style } = field.current;
    style.height = "auto";
    style.height = `${Math.min(field.current.scrollHeight + 2, 220)}px`;
  }, [text]);
  const empty = text.trim() === "" && images.length === 0;
  function send() {
    if (empty || running || disabled) return;
    onSend({ text: text.trim(), images: vision ? images : [] });
    setText("");
    setImages([]);
  }
  function onKeyDown(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  }
  async function add(files) {
    for (const each of files) {
      if (!each.type.startsWith("image/")) continue;
      if (each.size > MOST_BYTES) notify(`${each.name} is larger than 8 MB`, "bad");
      else {
        const url = await dataUrl(each);
        setImages((held) => [...held, url]);
      }
    }
  }
  return html`<form class="composer" onSubmit=${(event) => { event.preventDefault(); send(); }}>
    ${images.length > 0 && html`<div class="images">${images.map((url, place) => html`<span class="thumb" key=${place}><img src=${url} alt=${`attached image ${place + 1}`} /><${Button} icon="close" kind="quiet" label=${`Remove image ${place + 1}`} onClick=${() => setImages(images.filter((_, each) => each !== place))} /></span>`)}</div>`}
    ${images.length > 0 && !vision && html`<p class="error-text">This model takes no images: they are not sent.</p>`}
    <div class="composer-row">
      ${vision && html`<input ref=${file} type="file" accept="image/*" multiple hidden onChange=${(event) => { add(event.currentTarget.files); event.currentTarget.value = ""; }} />
        <${Button} icon="image" kind="quiet" label="Attach images" onClick=${() => file.current.click()} />`}
      <textarea ref=${field} rows="1" aria-label="Message" placeholder=${placeholder} value=${text} onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${onKeyDown}
        onPaste=${(event) => vision && add(event.clipboardData.files)}></textarea>
      ${running ? html`<${Button} icon="stop" kind="danger" onClick=${onStop}>Stop<//>` : html`<${Button} type="submit" icon="send" kind="primary" disabled=${empty || disabled}>Send<//>`}
    </div></form>`;
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/** The text of an answer, rendered while it streams. */
export function AnswerText({ answer }) {
  const ref = useRef(null);
  useEffect(() => {
    const stream = new MarkdownStream(ref.current);
    const dispose = effect(() => {
      answer.version.value;
      stream.write(answer.text, answer.over);
    });
    return () => {
      dispose();
      stream.stop();
    };
  }, [answer]);
  return html`<div class="markdown" ref=${ref}></div>`;
}

export function Reasoning({ answer }) {
  answer.version.value;
  if (answer.reasoning === "") return null;
  const thinking = answer.text === "" && !answer.over;
  return html`<details class="reasoning"><summary><${Icon} name="brain" size=${15} />${thinking ? "Reasoning…" : "Reasoning"}</summary><pre>${answer.reasoning}</pre></details>`;
}

export function Calls({ answer }) {
  answer.version.value;
  return answer.calls.map((call, place) => html`<details class="reasoning" key=${place}><summary><${Icon} name="tools" size=${15} />Calls <code>${call.name}</code></summary><pre>${pretty(call.arguments)}</pre></details>`);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const label = (name) => providers.value.find((each) => each.name === name)?.label ?? name;

/** Where it ran and how fast: machine, via, cold or loaded, first token, tokens/s. */
export function AnswerFacts({ answer, hideMachine = false }) {
  const info = answer.info.value;
  const phase = answer.phase.value;
  const facts = [];
  if (info.provider && !hideMachine) facts.push(["machine", html`<b>${label(info.provider)}</b>`]);
  if (info.via === "sidecar" && !hideMachine) facts.push(["via", "via sidecar"]);
  if (info.fallback) facts.push(["fallback", "a later choice"]);
  if (info.state && info.state !== "unknown") facts.push(["state", info.state === "loaded" ? "was loaded" : "cold"]);
  if (info.firstToken !== undefined) facts.push(["first", html`first token <b>${duration(info.firstToken)}</b>`]);
  if (info.perSecond) facts.push(["rate", html`<b>${rate(info.perSecond)}</b> tokens/s`]);
  if (info.tokens) facts.push(["tokens", `${count(info.tokens)} tokens`]);
  if (info.finish === "length") facts.push(["length", "ended at its token limit"]);
  const waits = { queued: info.waitsFor ? `waits: ${info.waitsFor} other responses stream` : "starting", sent: "waiting for the first token" }[phase];
  return html`<p class="answer-facts">${facts.map(([name, text]) => html`<span key=${name} data-fact=${name}>${text}</span>`)}${waits && html`<span class="waits">${waits}…</span>`}</p>`;
}

export function AnswerEnd({ answer, onRetry }) {
  const { error } = answer.info.value;
  const phase = answer.phase.value;
  if (phase === "stopped") return html`<${Notice} kind="info" action=${onRetry && html`<${Button} kind="small" onClick=${() => onRetry()}>Ask again<//>`}>Stopped.<//>`;
  if (phase !== "cut" && phase !== "failed") return null;
  return html`<${Notice} kind=${phase === "cut" ? "warn" : "bad"}>
    <span><b>${phase === "cut" ? "The response was cut." : "No response."}</b> ${error}</span>
    ${onRetry && html`<span class="retry"><${Button} kind="small" icon="refresh" onClick=${() => onRetry()}>Try again<//>
      ${elsewhere(answer.info.value.model ?? answer.model ?? "", models.value).map((each) => html`<${Button} key=${each.id} kind="small" onClick=${() => onRetry(each.id)}>Try on ${label(each.provider)}<//>`)}</span>`}<//>`;
}

export function AnswerMessage({ answer, onRetry }) {
  const info = answer.info.value;
  return html`<article class="message assistant" aria-busy=${answer.over ? undefined : "true"}>
    <header><b>${info.model ?? answer.model}</b>${answer.over && answer.text !== "" && html`<${Copy} text=${() => answer.text} label="Copy the response" />`}</header>
    <${Reasoning} answer=${answer} /><${AnswerText} answer=${answer} /><${Calls} answer=${answer} />
    <${AnswerEnd} answer=${answer} onRetry=${onRetry} />
    <${AnswerFacts} answer=${answer} /></article>`;
}

export function UserMessage({ message, onEdit }) {
  return html`<article class="message user"><div class="bubble">${message.text}</div>
    ${(message.images ?? []).length > 0 && html`<div class="images">${message.images.map((url, place) => html`<img key=${place} src=${url} alt=${`image ${place + 1}`} />`)}</div>`}
    ${onEdit && html`<div class="message-tools"><${Button} icon="edit" kind="quiet" label="Edit and ask again" onClick=${onEdit} /></div>`}</article>`;
}

export function ChatView({ part }) {
  const [ready, setReady] = useState(false);
  useEffect(() => {
    loaded.then(() => setReady(true));
  }, []);
  const begins = part?.startsWith("new:");
  useEffect(() => {
    if (ready && begins) go("chat", create(part.slice(4)).id);
  }, [ready, part]);
  if (!ready || catalog.value === null) return html`<div class="talk"></div>`;
  const all = conversations.value;
  const current = all.find((each) => each.id === part) ?? null;
  return html`<div class="talk"><${Conversations} all=${all} current=${current} />
    ${current === null ? html`<${Start} />` : html`<${Conversation} key=${current.id} conversation=${current} />`}</div>`;
}

function Conversations({ all, current }) {
  return html`<aside class="conversations" aria-label="Conversations">
    <div class="panel-head"><h1>Chat</h1><${Button} icon="plus" kind="small" onClick=${() => go("chat", create(firstModel()).id)}>New<//></div>
    <ul>${all.map((each) => html`<li key=${each.id}><a href=${link("chat", each.id)} aria-current=${each === current ? "page" : undefined}><span>${each.title}</span>
      <small>${each.model}</small></a></li>`)}</ul>
    <p class="muted fine">Conversations stay in this browser.</p></aside>`;
}

function Start() {
  const model = firstModel();
  const onSend = (message) => {
    const conversation = create(model);
    ask(conversation, message);
    go("chat", conversation.id);
  };
  return html`<section class="conversation"><div class="messages"><${Empty} icon="chat" title="Ask a model of the fleet">
      ${model === "" ? "No chat model can be used now." : html`<p>It goes to <b>${model}</b> unless you choose another.</p>`}<//></div>
    <${Composer} onSend=${onSend} disabled=${model === ""} placeholder="Message" /></section>`;
}

function Conversation({ conversation }) {
  const [settings, setSettings] = useState(false);
  const [draft, setDraft] = useState(null);
  const messages = conversation.messages.value;
  const { box, inner, away, toEnd } = useFollowEnd(messages.length);
  const { model } = conversation;
  const target = meant(model);
  const last = messages.at(-1)?.answer ?? null;
  const running = last !== null && !last.over;
  const retry = (id) => {
    if (id !== undefined) update(conversation, { model: id });
    conversation.messages.value = messages.slice(0, -1);
    respond(conversation);
    toEnd();
  };
  const edit = (place) => {
    setDraft({ ...messages[place] });
    conversation.messages.value = messages.slice(0, place);
    update(conversation);
  };
  return html`<section class="conversation" aria-label=${conversation.title}>
    <header class="talk-head"><a class="to-list button quiet square" href=${link("chat")} aria-label="All conversations"><${Icon} name="left" /></a>
      <${ModelChoice} value=${model} onChange=${(value) => update(conversation, { model: value })} />
      ${surface.value !== null && html`<span class="tag strong">${surface.value}</span>`}
      <span class="grow"></span>
      <${Button} icon="setup" kind="quiet" label="System prompt and parameters" aria-pressed=${settings ? "true" : "false"} onClick=${() => setSettings(!settings)} />
      <${Button} icon="download" kind="quiet" label="Export as Markdown" onClick=${() => download(`${conversation.title}.md`, asMarkdown(conversation), "text/markdown")} />
      <${Button} icon="copy" kind="quiet" label="Export as JSON" onClick=${() => download(`${conversation.title}.json`, JSON.stringify(plain(conversation), null, 2), "application/json")} />
      <${Button} icon="trash" kind="quiet" label="Delete this conversation" onClick=${() => { if (confirm("Delete this conversation?")) { remove(conversation); go("chat"); } }} /></header>
    ${settings && html`<${ChatSettings} conversation=${conversation} onChange=${(fields) => update(conversation, fields)} />`}
    <div class="messages" ref=${box} tabindex="0" role="log" aria-label="Messages"><div class="messages-inner" ref=${inner}>
      ${messages.length === 0 && html`<${Empty} icon="chat" title="What would you like to know?"><p>The system prompt and parameters are behind the sliders.</p><//>`}
      ${messages.map((each, place) => (each.answer ? html`<${AnswerMessage} key=${place} answer=${each.answer} onRetry=${place === messages.length - 1 ? retry : undefined} />` : html`<${UserMessage} key=${place} message=${each} onEdit=${running ? undefined : () => edit(place)} />`))}
    </div></div>
    ${away && html`<div class="to-end"><${Button} icon="down" kind="small" onClick=${toEnd}>To the end<//></div>`}
    <${Eviction} target=${target} running=${running} />
    <${Composer} draft=${draft} running=${running} onStop=${() => last.stop()} vision=${target?.input.includes("image") ?? false} disabled=${model === ""}
      placeholder=${`Message ${target?.name ?? model}`} onSend=${(message) => { setDraft(null); ask(conversation, message); toEnd(); }} />
  </section>`;
}

function Eviction({ target, running }) {
  const evicted = running || target === null ? [] : evicts(target.id);
  if (evicted.length === 0) return null;
  const busy = evicted.some((each) => (reportOf(each.provider).value?.in_flight[each.model] ?? 0) > 0);
  return html`<div class="talk-notice"><${Notice} kind="warn"><span>Sending loads <b>${target.model}</b> and unloads <b>${evicted.map((each) => each.model).join(", ")}</b> on ${reportOf(target.provider).value?.label ?? target.provider}${busy ? ", where a request is running" : ""}.</span><//></div>`;
}

/** Add a message and the answer to it. */
function ask(conversation, { text, images }) {
  conversation.messages.value = [...conversation.messages.value, { role: "user", text, images }];
  const title = conversation.title === "New chat" ? text.split("\n")[0].slice(0, 60) || "Image" : conversation.title;
  update(conversation, { title });
  respond(conversation);
}

async function respond(conversation) {
  const body = asRequest(conversation);
  const answer = new Answer({ phase: "queued", model: body.model, talks: true });
  conversation.messages.value = [...conversation.messages.value, { role: "assistant", answer }];
  save(conversation);
  await answer.run(body);
  conversation.messages.value = [...conversation.messages.value];
  save(conversation);
}

const MOST = 4;
const LETTERS = "ABCD";

const chosen = signal(local.get("arena.models", []));
const blind = signal(local.get("arena.blind", false));
const prompt = signal("");
/** What runs or ran last: `{prompt, blind, columns: [{id, answer, after}], vote}`. */
const round = signal(null);
const results = signal(local.get("arena.results", []));

export function ArenaView() {
  if (catalog.value === null) return html`<div class="page"><h1>Arena</h1></div>`;
  if (chosen.value.length < 2) chosen.value = firstModels();
  return html`<div class="page"><div class="page-head"><h1>Arena</h1><span class="grow muted">One prompt, two to four models</span>
      <${Toggle} icon="eye" pressed=${blind.value} onChange=${(value) => { blind.value = value; local.set("arena.blind", value); }}>Blind<//></div>
    <${Preparation} /><${Round} /><${Results} /></div>`;
}

function firstModels() {
  const all = [...usableFavorites.value.filter((each) => each.purpose === "chat"), ...chatModels()];
  const twin = all.find((each) => all.some((other) => other.model === each.model && other.provider !== each.provider));
  const pair = twin ? all.filter((each) => each.model === twin.model) : all;
  return [...new Set([...pair, ...all].map((each) => each.id))].slice(0, 2);
}

function choose(ids) {
  chosen.value = ids;
  local.set("arena.models", ids);
}

/** Models of one slot, which cannot be loaded at once, in the order in which they run. */
function chains(ids) {
  const found = [];
  for (const id of ids) {
    const model = meant(id);
    const chain = found.find((each) => each.some((other) => model && meant(other) && shareSlot(model, meant(other))));
    if (chain) chain.push(id);
    else found.push([id]);
  }
  return found;
}

function Preparation() {
  const ids = chosen.value;
  const running = isRunning(round.value);
  const shared = chains(ids).filter((each) => each.length > 1);
  const submit = (event) => {
    event.preventDefault();
    if (!running && prompt.value.trim() !== "") run(prompt.value.trim());
  };
  const onKeyDown = (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && submit(event);
  return html`<form class="panel arena-setup" onSubmit=${submit}>
    <div class="arena-models">${ids.map((id, place) => html`<span class="slot" key=${place}>
        <${ModelChoice} label=${`Model ${place + 1}`} withRoles=${false} value=${id} onChange=${(value) => choose(ids.map((each, at) => (at === place ? value : each)))} />
        ${ids.length > 2 && html`<${Button} icon="close" kind="quiet" label=${`Remove model ${place + 1}`} onClick=${() => choose(ids.filter((_, at) => at !== place))} />`}</span>`)}
      ${ids.length < MOST && html`<${Button} icon="plus" onClick=${() => choose([...ids, chatModels().find((each) => !ids.includes(each.id))?.id ?? ids[0]])}>Add a model<//>`}</div>
    ${shared.map((each) => html`<${Notice} key=${each[0]}><span>${each.map((id) => meant(id)?.model ?? id).join(" and ")} cannot be loaded at once on ${label(meant(each[0])?.provider)}: they run one after the other.</span><//>`)}
    <div class="arena-prompt"><textarea rows="2" aria-label="Prompt" placeholder="What shall they all respond to?" value=${prompt.value} onInput=${(event) => { prompt.value = event.currentTarget.value; }} onKeyDown=${onKeyDown}></textarea>
      ${running ? html`<${Button} icon="stop" kind="danger" onClick=${stop}>Stop all<//>` : html`<${Button} type="submit" kind="primary" icon="send" disabled=${prompt.value.trim() === ""}>Compare<//>`}</div></form>`;
}

const isRunning = (played) => played !== null && played.columns.some(({ answer }) => !answer.over);

function stop() {
  for (const { answer } of round.value.columns) if (!answer.over) answer.stop();
}

async function run(text) {
  const order = blind.value ? shuffled(chosen.value) : chosen.value;
  const columns = order.map((id) => ({ id, answer: new Answer({ phase: "queued", model: id }), after: null }));
  const lines = chains(order);
  for (const chain of lines) for (let place = 1; place < chain.length; place++) columns[order.indexOf(chain[place])].after = columns[order.indexOf(chain[place - 1])];
  round.value = { prompt: text, blind: blind.value, columns, vote: null, surface: surface.value };
  const body = (model) => ({ model, messages: [{ role: "user", content: text }] });
  await Promise.all(lines.map(async (chain) => {
    for (const id of chain) {
      const { answer } = columns[order.indexOf(id)];
      await answer.run(body(id));
    }
  }));
}

function shuffled(ids) {
  const left = [...ids];
  const mixed = [];
  while (left.length > 0) mixed.push(left.splice(crypto.getRandomValues(new Uint32Array(1))[0] % left.length, 1)[0]);
  return mixed;
}

function Round() {
  const played = round.value;
  if (played === null) return html`<${Empty} icon="arena" title="Nothing compared yet"><p>Each column names its provider, whether the model was loaded, the time to its first token and its tokens per second.</p><//>`;
  const over = !isRunning(played);
  const hidden = played.blind && played.vote === null;
  const { columns, vote } = played;
  return html`<section class="stack" aria-label="Responses">
    <div class="arena-columns">${columns.map((column, place) => html`<${Column} key=${place} column=${column} place=${place} hidden=${hidden} won=${vote === place} />`)}</div>
    ${over && vote === null && html`<div class="votes" role="group" aria-label="Vote"><b>Which is best?</b>
      ${columns.map(({ id }, place) => html`<${Button} key=${place} onClick=${() => cast(place)}>${hidden ? `Model ${LETTERS[place]}` : meant(id)?.name ?? id}<//>`)}
      <${Button} onClick=${() => cast("tie")}>Tie<//><${Button} onClick=${() => cast("bad")}>${columns.length === 2 ? "Both bad" : "All bad"}<//></div>`}
    ${vote !== null && html`<p class="votes muted" role="status">${vote === "tie" ? "A tie." : vote === "bad" ? "None was good." : `Your vote: ${columns[vote].answer.info.value.model ?? columns[vote].id}.`}</p>`}
  </section>`;
}

function Column({ column: { id, answer, after }, place, hidden, won }) {
  const model = meant(id);
  const info = answer.info.value;
  const waits = after !== null && !after.answer.over;
  const where = info.provider ? `${label(info.provider)} · ${info.via ?? ""}` : model ? `${label(model.provider)} · ${model.via}` : "";
  return html`<article class=${`arena-column${won ? " won" : ""}`} aria-busy=${answer.over ? undefined : "true"}>
    <header>${answer.over && answer.text !== "" && !hidden && html`<${Copy} text=${() => answer.text} label="Copy the response" />`}<h2>${hidden ? `Model ${LETTERS[place]}` : info.model ?? id}</h2><p class="muted">${hidden ? "Named after your vote" : where}</p></header>
    <div class="arena-body" tabindex="0" role="region" aria-label=${`Response ${LETTERS[place]}`}>${waits ? html`<p class="muted">Runs after ${hidden ? `model ${LETTERS[round.value.columns.indexOf(after)]}` : after.id}, which uses the same slot.</p>` : html`
      <${Reasoning} answer=${answer} /><${AnswerText} answer=${answer} /><${Calls} answer=${answer} /><${AnswerEnd} answer=${answer} />`}</div>
    <footer>${hidden && answer.over ? html`<p class="answer-facts">Done</p>` : !waits && html`<${AnswerFacts} answer=${answer} hideMachine=${true} />`}</footer>
  </article>`;
}

function cast(vote) {
  const played = round.value;
  round.value = { ...played, vote };
  const entries = played.columns.map(({ id, answer }, place) => {
    const { model, via, state, firstToken, perSecond } = answer.info.value;
    const result = vote === "tie" ? "tie" : vote === "bad" ? "bad" : vote === place ? "won" : "lost";
    return { id: model ?? id, via, state, firstToken, perSecond, result, end: answer.phase.value };
  });
  results.value = [...results.value.slice(-499), { at: new Date().toISOString(), prompt: played.prompt, blind: played.blind, entries }];
  local.set("arena.results", results.value);
}

/** By model and provider: how often it won, and how fast it was. */
function table() {
  const rows = new Map();
  for (const { entries } of results.value) {
    for (const { id, result, firstToken, perSecond } of entries) {
      const row = rows.get(id) ?? { id, rounds: 0, won: 0, tie: 0, bad: 0, first: [], speed: [] };
      row.rounds += 1;
      if (result !== "lost") row[result] += 1;
      if (firstToken) row.first.push(firstToken);
      if (perSecond) row.speed.push(perSecond);
      rows.set(id, row);
    }
  }
  return [...rows.values()].sort((a, b) => b.won / b.rounds - a.won / a.rounds || b.rounds - a.rounds);
}

const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : null);

function Results() {
  const rows = table();
  if (rows.length === 0) return null;
  const clear = () => {
    if (!confirm("Delete the results of this browser?")) return;
    results.value = [];
    local.set("arena.results", []);
  };
  return html`<section class="stack" aria-labelledby="results-title"><div class="panel-head"><h2 id="results-title">Results of this browser <small>${count(results.value.length)} votes</small></h2>
      <span><${Button} kind="quiet" icon="download" label="Export the results" onClick=${() => download("arena.json", JSON.stringify(results.value, null, 2), "application/json")} /><${Button} kind="quiet" icon="trash" label="Delete the results" onClick=${clear} /></span></div>
    <div class="table-box" tabindex="0" role="region" aria-label="Results"><table class="data"><thead><tr><th>Model</th><th class="num">Rounds</th><th>Won</th><th class="num">Ties</th><th class="num">Bad</th><th class="num">First token</th><th class="num">Tokens/s</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.id}><td>${row.id}</td><td class="num">${row.rounds}</td><td><${Bar} share=${row.won / row.rounds} />${Math.round((100 * row.won) / row.rounds)} %</td>
        <td class="num">${row.tie}</td><td class="num">${row.bad}</td><td class="num">${duration(mean(row.first))}</td><td class="num">${rate(mean(row.speed))}</td></tr>`)}</tbody></table></div></section>`;
}

function Bar({ share }) {
  return html`<span class="bar" aria-hidden="true"><span style=${{ width: `${Math.round(100 * share)}%` }}></span></span>`;
}
