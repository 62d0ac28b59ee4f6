import { signal } from "@preact/signals";
import { duration, html, local, plural, rate, surface } from "../app/base.js";
import { Button, Copy, download, Empty, Notice, Toggle } from "../app/parts.js";
import { catalog, shareSlot, usableFavorites } from "../app/state.js";
import { Answer } from "../chat/answers.js";
import { AnswerEnd, AnswerFacts, AnswerText, Calls, label, Reasoning } from "../chat/message.js";
import { chatModels, meant, ModelChoice } from "../models/choice.js";

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
    <div class="arena-prompt"><textarea rows="2" aria-label="Prompt" placeholder="Prompt for all models" value=${prompt.value} onInput=${(event) => { prompt.value = event.currentTarget.value; }} onKeyDown=${onKeyDown}></textarea>
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

/** After a vote its buttons are gone: the focus goes to what is shown instead. */
const focus = (element) => element?.focus();

function Round() {
  const played = round.value;
  if (played === null) return html`<${Empty} icon="arena" title="Nothing compared yet"><p>Each column shows the provider, whether the model was loaded, the time to the first token and tokens per second.</p><//>`;
  const over = !isRunning(played);
  const hidden = played.blind && played.vote === null;
  const { columns, vote } = played;
  return html`<section class="stack" aria-label="Responses"><p class="visually-hidden" role="status">${columns.filter(({ answer }) => answer.over).length} of ${columns.length} responses complete</p>
    <div class="arena-columns">${columns.map((column, place) => html`<${Column} key=${place} column=${column} place=${place} hidden=${hidden} won=${vote === place} />`)}</div>
    ${over && vote === null && html`<div class="votes" role="group" aria-label="Vote"><b>Which is best?</b>
      ${columns.map(({ id }, place) => html`<${Button} key=${place} onClick=${() => cast(place)}>${hidden ? `Model ${LETTERS[place]}` : meant(id)?.name ?? id}<//>`)}
      <${Button} onClick=${() => cast("tie")}>Tie<//><${Button} onClick=${() => cast("bad")}>${columns.length === 2 ? "Both bad" : "All bad"}<//></div>`}
    ${vote !== null && html`<p class="votes muted" role="status" tabindex="-1" ref=${focus}>${vote === "tie" ? "A tie." : vote === "bad" ? "All were bad." : `Your vote: ${columns[vote].answer.info.value.model ?? columns[vote].id}.`}</p>`}
  </section>`;
}

function Column({ column: { id, answer, after }, place, hidden, won }) {
  const model = meant(id);
  const info = answer.info.value;
  const waits = after !== null && !after.answer.over;
  const where = info.provider ? `${label(info.provider)} · ${info.via ?? ""}` : model ? `${label(model.provider)} · ${model.via}` : "";
  return html`<article class=${`arena-column${won ? " won" : ""}`} aria-busy=${answer.over ? undefined : "true"}>
    <header>${answer.over && answer.text !== "" && !hidden && html`<${Copy} text=${() => answer.text} label="Copy the response" />`}<h2>${hidden ? `Model ${LETTERS[place]}` : info.model ?? id}</h2><p class="muted">${hidden ? "Hidden until you vote" : where}</p></header>
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
    if (!confirm("Delete the results in this browser?")) return;
    results.value = [];
    local.set("arena.results", []);
  };
  return html`<section class="stack" aria-labelledby="results-title"><div class="panel-head"><h2 id="results-title">Results in this browser <small>${plural(results.value.length, "vote")}</small></h2>
      <span><${Button} kind="quiet" icon="download" label="Export the results" onClick=${() => download("arena.json", JSON.stringify(results.value, null, 2), "application/json")} /><${Button} kind="quiet" icon="trash" label="Delete the results" onClick=${clear} /></span></div>
    <div class="table-box" tabindex="0" role="region" aria-label="Results"><table class="data"><thead><tr><th>Model</th><th class="num">Rounds</th><th>Won</th><th class="num">Ties</th><th class="num">Bad</th><th class="num">First token</th><th class="num">Tokens/s</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.id}><td>${row.id}</td><td class="num">${row.rounds}</td><td><${Bar} share=${row.won / row.rounds} />${Math.round((100 * row.won) / row.rounds)} %</td>
        <td class="num">${row.tie}</td><td class="num">${row.bad}</td><td class="num">${duration(mean(row.first))}</td><td class="num">${rate(mean(row.speed))}</td></tr>`)}</tbody></table></div></section>`;
}

function Bar({ share }) {
  return html`<span class="bar" aria-hidden="true"><span style=${{ width: `${Math.round(100 * share)}%` }}></span></span>`;
}
