import { useEffect, useState } from "preact/hooks";
import { go, html, link, surface } from "../app/base.js";
import { Button, download, Empty, Icon, Notice, useFollowEnd } from "../app/parts.js";
import { catalog, evicts, reportOf } from "../app/state.js";
import { firstModel, meant, ModelChoice, readRoles } from "../models/choice.js";
import { Answer, asMarkdown, asRequest, conversations, create, loaded, plain, remove, save, update } from "./answers.js";
import { ChatSettings, Composer } from "./composer.js";
import { AnswerMessage, UserMessage } from "./message.js";

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
  readRoles();
  const [picked, setPicked] = useState(null);
  const model = picked ?? firstModel();
  const onSend = (message) => {
    const conversation = create(model);
    ask(conversation, message);
    go("chat", conversation.id);
  };
  return html`<section class="conversation"><div class="messages"><${Empty} icon="chat" title="Ask a model of the fleet">
      ${model === "" ? "No chat model is available." : html`<${ModelChoice} value=${model} onChange=${setPicked} />`}<//></div>
    <${Composer} onSend=${onSend} vision=${meant(model)?.input.includes("image")} disabled=${model === ""} placeholder="Message" /></section>`;
}

function Conversation({ conversation }) {
  conversations.value; // its fields change with the list
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
      <${Button} icon="setup" kind="quiet" label="System prompt and parameters" aria-pressed=${settings} onClick=${() => setSettings(!settings)} />
      <${Button} icon="download" kind="quiet" label="Export as Markdown" onClick=${() => download(`${conversation.title}.md`, asMarkdown(conversation), "text/markdown")}>.md<//>
      <${Button} icon="download" kind="quiet" label="Export as JSON" onClick=${() => download(`${conversation.title}.json`, JSON.stringify(plain(conversation), null, 2), "application/json")}>.json<//>
      <${Button} icon="trash" kind="quiet" label="Delete this conversation" onClick=${() => { if (confirm("Delete this conversation?")) { remove(conversation); go("chat"); } }} /></header>
    ${settings && html`<${ChatSettings} conversation=${conversation} onChange=${(fields) => update(conversation, fields)} />`}
    <div class="messages" ref=${box} tabindex="0" role="log" aria-label="Messages"><div class="messages-inner" ref=${inner}>
      ${messages.length === 0 && html`<${Empty} icon="chat" title="New conversation"><p>The sliders icon sets the system prompt and parameters.</p><//>`}
      ${messages.map((each, place) => (each.answer ? html`<${AnswerMessage} key=${place} answer=${each.answer} onRetry=${place === messages.length - 1 ? retry : undefined} />` : html`<${UserMessage} key=${place} message=${each} onEdit=${running ? undefined : () => edit(place)} />`))}
    </div></div>
    ${away && html`<div class="to-end"><${Button} icon="down" kind="small" onClick=${toEnd}>To the end<//></div>`}
    <${Eviction} target=${target} running=${running} />
    <${Composer} draft=${draft} running=${running} onStop=${() => last.stop()} vision=${target?.input.includes("image") ?? false} disabled=${model === ""}
      placeholder="Message" onSend=${(message) => { setDraft(null); ask(conversation, message); toEnd(); }} />
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
