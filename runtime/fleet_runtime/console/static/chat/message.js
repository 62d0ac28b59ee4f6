import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { capital, count, duration, html, rate } from "../app/base.js";
import { Button, Copy, Icon, Notice, pretty } from "../app/parts.js";
import { models, providers } from "../app/state.js";
import { elsewhere } from "./answers.js";
import { MarkdownStream } from "./markdown.js";

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

export const label = (name) => providers.value.find((each) => each.name === name)?.label ?? name;

/** Where it ran and how fast: machine, via, cold or loaded, first token, tokens/s. */
export function AnswerFacts({ answer, hideMachine = false }) {
  const info = answer.info.value;
  const phase = answer.phase.value;
  const facts = [];
  if (info.provider && !hideMachine) facts.push(["machine", html`<b>${label(info.provider)}</b>`]);
  if (info.via === "sidecar" && !hideMachine) facts.push(["via", "via sidecar"]);
  if (info.fallback) facts.push(["fallback", "a later choice"]);
  if (info.state && info.state !== "unknown" && phase !== "failed") facts.push(["state", info.state === "loaded" ? "was loaded" : "cold"]);
  if (info.firstToken !== undefined) facts.push(["first", html`first token <b>${duration(info.firstToken)}</b>`]);
  if (info.perSecond) facts.push(["rate", html`<b>${rate(info.perSecond)}</b> tokens/s`]);
  if (info.tokens) facts.push(["tokens", `${count(info.tokens)} tokens`]);
  if (info.finish === "length") facts.push(["length", "ended at its token limit"]);
  const waits = { queued: info.waitsFor ? `waits: ${info.waitsFor} other responses are streaming` : "starting", sent: "waiting for the first token" }[phase];
  return html`<p class="answer-facts">${facts.map(([name, text]) => html`<span key=${name} data-fact=${name}>${text}</span>`)}${waits && html`<span class="waits">${waits}…</span>`}</p>`;
}

export function AnswerEnd({ answer, onRetry }) {
  const { error } = answer.info.value;
  const phase = answer.phase.value;
  if (phase === "stopped") return html`<${Notice} kind="info" action=${onRetry && html`<${Button} kind="small" onClick=${() => onRetry()}>Ask again<//>`}>Stopped.<//>`;
  if (phase !== "cut" && phase !== "failed") return null;
  return html`<${Notice} kind=${phase === "cut" ? "warn" : "bad"}>
    <span><b>${phase === "cut" ? "The response was cut." : "No response."}</b> ${capital(error ?? "")}</span>
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
