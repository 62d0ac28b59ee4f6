import { useEffect, useState } from "preact/hooks";
import { context, get, html } from "../app/base.js";
import { Copy, Notice, StateBadge, Tag } from "../app/parts.js";
import { fleet, stateOf } from "../app/state.js";

const RULES = {
  role: "A role: the first of its models that is available now.",
  alias: "An alias in fleet.yaml.",
  provider: "It names the provider, so requests go only there.",
  bare: "It names no provider, so the default provider is used.",
};

/** What a name means, and by which rule. */
export function ResolveBox() {
  const [name, setName] = useState("");
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const text = name.trim();
    if (text === "") {
      setFound(null);
      setError(null);
      return undefined;
    }
    const timer = setTimeout(async () => {
      try {
        setFound(await get("/api/resolve", { model: text }));
        setError(null);
      } catch (problem) {
        setFound(null);
        setError(problem.message);
      }
    }, 180);
    return () => clearTimeout(timer);
  }, [name]);
  return html`<section class="panel resolve" aria-labelledby="resolve-title">
    <h2 id="resolve-title">What does a name mean?</h2>
    <label class="field"><span class="visually-hidden">A model's name</span>
      <input type="text" placeholder="an id, an alias, or @role" value=${name} spellcheck="false" autocapitalize="off" onInput=${(event) => setName(event.currentTarget.value)} /></label>
    <div class="resolve-result" aria-live="polite">
      ${error !== null && html`<${Notice} kind="bad">${error}<//>`}
      ${found === null ? error === null && html`<p class="muted">A bare id belongs to ${fleet.value?.default_provider ?? "the default provider"}. Type what a client sends, and see where it goes.</p>` : html`<${Result} found=${found} onPick=${setName} />`}
    </div></section>`;
}

function Result({ found, onPick }) {
  return html`${found.id !== null && html`<p class="resolve-target">${found.id} <${Copy} text=${found.id} label="Copy the id" /></p>`}
    <p>${found.fallback ? "A later choice, because the first is not available. " : ""}${RULES[found.rule]}</p>
    ${found.available
      ? html`<p class="filters"><${Tag}>${found.class}<//><${Tag}>${found.via}<//><${Tag}>${context(found.context)} context<//> <${StateBadge} state=${stateOf(found.id).value} /></p>`
      : html`<${Notice} kind="warn">${found.message}<//>`}
    ${(found.suggestions ?? []).length > 0 && html`<div class="suggestions">${found.suggestions.map((each) => html`<button type="button" class="chip" key=${each} onClick=${() => onPick(each)}>${each}</button>`)}</div>`}`;
}
