import { computed, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { age, context, count, duration, go, html, now, plural, rate, usage } from "../app/base.js";
import { ActionButton, Button, Copy, copyText, Empty, Icon, notify, Segmented, Select, StateBadge, StatusBadge, Tag, Toggle } from "../app/parts.js";
import { catalog, favoriteIds, favorites, mayReorder, moveFavorite, providers, reportOf, setFavorite, stateOf, usableFavorites } from "../app/state.js";
import { refreshSpeeds, speeds } from "../app/traffic.js";
import { load, mayLoad, mayUnload, unload } from "../fleet/provider.js";
import { baseUrl, curlOf } from "./choice.js";
import { ResolveBox } from "./resolve_box.js";

const query = signal("");
const chosen = signal(new Set());
const purpose = signal("");
const order = signal("order");
const grouping = signal("provider");

const FILTERS = [
  ["local", "Local", null, (model) => model.class === "local"],
  ["cloud", "Cloud", "cloud", (model) => model.class === "cloud"],
  ["loaded", "Loaded", null, (model) => stateOf(model.id).value === "loaded"],
  ["vision", "Vision", "eye", (model) => model.input.includes("image")],
  ["tools", "Tools", "tools", (model) => model.tools === true],
];
const ORDERS = [["order", "Order of fleet.yaml"], ["most", "Most used"], ["last", "Last used"], ["name", "By name"]];
const PURPOSES = [["", "Any purpose"], ["chat", "Chat"], ["embedding", "Embedding"], ["rerank", "Rerank"], ["transcription", "Transcription"], ["speech", "Speech"], ["image", "Image"]];

function toggle(name) {
  const next = new Set(chosen.value);
  if (!next.delete(name)) next.add(name);
  if (name === "local") next.delete("cloud");
  if (name === "cloud") next.delete("local");
  chosen.value = next;
}

const filtering = computed(() => query.value.trim() !== "" || chosen.value.size > 0 || purpose.value !== "");

function matches(model, text = query.value) {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const searched = `${model.id} ${model.name} ${model.aliases.join(" ")}`.toLowerCase();
  return words.every((word) => searched.includes(word))
    && (purpose.value === "" || model.purpose === purpose.value)
    && FILTERS.every(([name, , , test]) => !chosen.value.has(name) || test(model));
}

function sorted(models) {
  const used = usage.value;
  const rank = {
    most: (model) => -(speeds.value[model.id]?.requests ?? used[model.id]?.count ?? 0),
    last: (model) => -(used[model.id]?.last ?? 0),
  }[order.value];
  if (order.value === "name") return [...models].sort((a, b) => a.name.localeCompare(b.name));
  return rank === undefined ? models : [...models].sort((a, b) => rank(a) - rank(b));
}

/** Groups for the list: `{key, title, provider, models, others}`; `others` are not for chats. */
const groups = computed(() => {
  if (grouping.value === "model") {
    const byModel = new Map();
    for (const provider of providers.value) {
      for (const model of provider.models) {
        if (!matches(model)) continue;
        if (!byModel.has(model.model)) byModel.set(model.model, []);
        byModel.get(model.model).push(model);
      }
    }
    return [...byModel].map(([key, models]) => ({ key, title: models[0].model, provider: null, models: sorted(models) }));
  }
  return providers.value.map((provider) => ({
    key: provider.name,
    title: provider.label,
    provider,
    models: sorted(provider.models.filter((model) => matches(model))),
  }));
});

/** One model; `move` has the buttons of a favorite's place. */
function ModelRow({ model, move, title }) {
  const usable = model.available;
  return html`<li class=${`model${usable ? "" : " gone"}`} onKeyDown=${move && ((event) => onKey(event, move))}>
    <${Star} model=${model} />
    <div class="model-name"><b>${title ?? model.name}</b>
      <span class="model-id">${model.id}</span></div>
    <div class="model-facts">
      <${Speed} id=${model.id} />
      ${model.input.includes("image") && html`<${Tag} icon="eye" title="accepts images">vision<//>`}
      ${model.tools && html`<${Tag} icon="tools" title="calls tools">tools<//>`}
      ${model.reasoning && html`<${Tag} icon="brain" title="reasons before it responds">reasons<//>`}
      ${model.purpose !== "chat" && html`<${Tag}>${model.purpose}<//>`}
      <span class="ctx" title=${`context in tokens${model.context_source ? `, ${model.context_source}` : ""}`}>${context(model.context)}</span>
      <span class="statebox"><${StateBadge} state=${stateOf(model.id).value} /></span>
    </div>
    <div class="model-tail">${move && html`<${Move} move=${move} name=${model.name} />`}<${Menu} model=${model} /></div>
  </li>`;
}

function Speed({ id }) {
  const found = speeds.value[id];
  if (!found?.tokens_per_second) return null;
  const first = found.warm_ms === null ? "" : `; first token ${duration(found.warm_ms / 1000)} when loaded`;
  return html`<span class="speed" title=${`median of 30 days${first}`}>${rate(found.tokens_per_second)} tokens/s</span>`;
}

function onKey(event, { up, down }) {
  if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
  event.preventDefault();
  (event.key === "ArrowUp" ? up : down)?.();
}

function Move({ move: { up, down }, name }) {
  return html`<${Button} icon="up" kind="quiet" label=${`Move ${name} up (Alt+↑)`} aria-disabled=${!up} onClick=${up} />
    <${Button} icon="down" kind="quiet" label=${`Move ${name} down (Alt+↓)`} aria-disabled=${!down} onClick=${down} />`;
}

function Star({ model }) {
  const favorite = favoriteIds.value.has(model.id);
  const onClick = async () => {
    try {
      await setFavorite(model.id, !favorite);
    } catch (error) {
      notify(error.message, "bad");
    }
  };
  return html`<button type="button" class="button quiet square star" aria-pressed=${favorite} aria-label=${`Favorite: ${model.id}`} title="Favorite" onClick=${onClick}><${Icon} name="star" filled=${favorite} /></button>`;
}

function Menu({ model }) {
  const [open, setOpen] = useState(false);
  const ref = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    ref.current.lastElementChild.scrollIntoView({ block: "nearest" });
    const close = (event) => {
      if (event.key === "Escape" || (event.type === "pointerdown" && !ref.current?.contains(event.target))) {
        if (event.key === "Escape") leave();
        else setOpen(false);
      }
    };
    document.addEventListener("pointerdown", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("pointerdown", close);
      document.removeEventListener("keydown", close);
    };
  }, [open]);
  const leave = () => {
    setOpen(false);
    ref.current?.querySelector("button").focus();
  };
  const act = (command) => () => {
    leave();
    return command(model.provider, model.model);
  };
  const copy = async (text, what) => {
    leave();
    notify((await copyText(text)) ? `${what} copied` : "this browser does not allow copying", "good");
  };
  const state = stateOf(model.id).value;
  return html`<div class="menu" ref=${ref}><${Button} icon="more" kind="quiet" label=${`More for ${model.id}`} aria-expanded=${open} onClick=${() => setOpen(!open)} />
    ${open && html`<div class="menu-list">
      ${model.purpose === "chat" && html`<${Button} icon="chat" onClick=${() => go("chat", `new:${model.id}`)}>Chat with it<//>`}
      <${Button} icon="copy" onClick=${() => copy(model.id, "Id")}>Copy the id<//>
      <${Button} icon="link" onClick=${() => copy(baseUrl(), "Base URL")}>Copy the base URL<//>
      <${Button} icon="setup" onClick=${() => copy(curlOf(model.id), "curl")}>Copy as curl<//>
      ${mayLoad(model.provider) && state === "unloaded" && model.available && html`<${ActionButton} icon="download" run=${act(load)} done=${`${model.model} is loading`}>Load<//>`}
      ${mayUnload(model.provider) && state === "loaded" && html`<${ActionButton} icon="eject" run=${act(unload)} done=${`${model.model} is unloaded`}>Unload<//>`}
    </div>`}</div>`;
}

export function ModelsView() {
  useEffect(() => void refreshSpeeds(), []);
  const all = providers.value.reduce((sum, each) => sum + each.models.length, 0);
  return html`<div class="page">
    <div class="page-head"><h1>Models</h1><span class="grow muted">${catalog.value === null ? "" : plural(all, "model")}</span>
      <${Copy} kind="" text=${baseUrl} label="Copy the base URL">Base URL<//></div>
    <${Toolbar} />
    <div class="models-layout"><div class="stack">${catalog.value !== null && html`<${List} />`}</div><${ResolveBox} /></div>
  </div>`;
}

function Toolbar() {
  return html`<div class="toolbar">
    <label class="searchbox"><${Icon} name="search" size=${16} /><span class="visually-hidden">Search</span>
      <input type="search" placeholder="Search models" value=${query.value} onInput=${(event) => { query.value = event.currentTarget.value; }} /></label>
    <${Segmented} label="Group by" value=${grouping.value} options=${[["provider", "By provider"], ["model", "By model"]]} onChange=${(value) => { grouping.value = value; }} />
    <${Select} label="Sort" value=${order.value} options=${ORDERS} onChange=${(value) => { order.value = value; }} />
    <${Select} label="Purpose" value=${purpose.value} options=${PURPOSES} onChange=${(value) => { purpose.value = value; }} />
    <div class="filters" role="group" aria-label="Filters">${FILTERS.map(
      ([name, word, icon]) => html`<${Toggle} key=${name} icon=${icon} pressed=${chosen.value.has(name)} onChange=${() => toggle(name)}>${word}<//>`,
    )}</div></div>`;
}

const AT_ONCE = 6;

/** A number that grows by `step` in each frame, up to `whole`: a long list appears from its top. */
function useGrowing(step, whole) {
  const [limit, setLimit] = useState(step);
  useEffect(() => {
    if (limit >= whole) return undefined;
    const frame = requestAnimationFrame(() => setLimit(limit + step));
    return () => cancelAnimationFrame(frame);
  }, [limit, whole]);
  return limit;
}

function List() {
  const shown = groups.value;
  const found = shown.reduce((sum, each) => sum + each.models.length, 0);
  const limit = useGrowing(AT_ONCE, shown.length);
  if (found === 0 && filtering.value) {
    const clear = () => {
      query.value = "";
      chosen.value = new Set();
      purpose.value = "";
    };
    return html`<${Empty} icon="search" title="No models match"><${Button} onClick=${clear}>Show all models<//><//>`;
  }
  const apart = (model) => model.purpose !== "chat";
  const chats = shown.map((group) => ({ ...group, models: purpose.value === "" ? group.models.filter((each) => !apart(each)) : group.models }));
  const others = purpose.value === "" ? shown.flatMap((group) => group.models.filter(apart)) : [];
  return html`<${Favorites} />
    ${chats.slice(0, limit).map((group) => html`<${Group} key=${group.key} group=${group} />`)}
    ${others.length > 0 && html`<details class="group-box" open=${filtering.value}><summary><h2>Embeddings and others</h2><span class="muted">${plural(others.length, "model")}</span></summary>
      <ul>${others.map((model) => html`<${ModelRow} key=${model.id} model=${model} />`)}</ul></details>`}`;
}

function Favorites() {
  const usable = usableFavorites.value;
  const shown = usable.filter((model) => matches(model));
  const hidden = favorites.value.favorites.length - usable.length;
  if (favorites.value.favorites.length === 0) {
    return filtering.value ? null : html`<section class="group-box"><div class="group-head"><h2><${Icon} name="star" size=${17} />Favorites</h2></div>
      <p class="model muted favorites-none">Star a model to list it first, here and in every model picker.</p></section>`;
  }
  if (shown.length === 0 && filtering.value) return null;
  const move = async (id, before) => {
    try {
      await moveFavorite(id, before);
    } catch (error) {
      notify(error.message, "bad");
    }
  };
  const movable = mayReorder.value && !filtering.value;
  return html`<section class="group-box favorites" aria-label="Favorites"><div class="group-head"><h2><${Icon} name="star" size=${17} filled />Favorites</h2>
      ${hidden > 0 && html`<span class="muted">${count(hidden)} cannot be used now</span>`}</div>
    <ul>${shown.map((model, place) => {
      const places = movable && {
        up: place > 0 ? () => move(model.id, shown[place - 1].id) : null,
        down: place < shown.length - 1 ? () => move(model.id, shown[place + 2]?.id ?? null) : null,
      };
      return html`<${ModelRow} key=${model.id} model=${model} move=${places || undefined} />`;
    })}</ul></section>`;
}

function Group({ group: { title, provider, models } }) {
  if (models.length === 0 && (filtering.value || provider === null)) return null;
  const rows = html`<ul>${models.map((model) => html`<${ModelRow} key=${model.id} model=${model} title=${provider === null ? reportOf(model.provider).value?.label ?? model.provider : undefined} />`)}</ul>`;
  const serving = provider === null || provider.status === "online" || provider.status === "degraded" || provider.status === "unknown";
  if (!serving) {
    return html`<details class="group-box offline group"><summary><h2>${title}</h2><${StatusBadge} report=${provider} />
      <span class="muted">${provider.reason ?? ""} · ${age(provider.since, now.value)} · ${plural(models.length, "model")}</span></summary>${rows}</details>`;
  }
  return html`<section class="group-box group" aria-label=${title}><div class="group-head"><h2>${title}</h2>
      ${provider?.class === "cloud" && html`<${Icon} name="cloud" size=${16} />`}
      <span class="muted">${plural(models.length, provider === null ? "provider" : "model")}</span></div>
    ${models.length === 0 ? html`<p class="model muted">This provider lists no models.</p>` : rows}</section>`;
}
