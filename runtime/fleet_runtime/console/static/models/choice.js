import { signal } from "@preact/signals";
import { BASE, get, html, surface } from "../app/base.js";
import { catalog, models, providers, usableFavorites } from "../app/state.js";

/** The roles of the surface that is shown: `{name: resolution}`. */
const roles = signal({});
let rolesOf;

/** Read them, after every change of what can be used. */
export async function readRoles() {
  if (rolesOf === catalog.value) return;
  rolesOf = catalog.value;
  try {
    roles.value = (await get("/api/roles")).roles;
  } catch {
    rolesOf = undefined;
  }
}

export const chatModels = () => providers.value.flatMap((each) => each.models).filter((each) => each.purpose === "chat" && each.available);

/** What to begin with: a favorite, the default role, a loaded model, any. */
export const firstModel = () => usableFavorites.value.find((each) => each.purpose === "chat")?.id ?? (roles.value.default?.available ? "@default" : undefined) ?? chatModels().find((each) => each.state === "loaded")?.id ?? chatModels()[0]?.id ?? "";

/** The model that a choice means now. */
export const meant = (choice) => models.value.get(choice) ?? models.value.get(roles.value[choice?.slice(1)]?.id ?? "") ?? null;

export function ModelChoice({ value, onChange, label = "Model", withRoles = true }) {
  readRoles();
  const known = models.value.get(value)?.available || value.startsWith("@");
  // A closed list shows no group, and two providers may have the same model.
  const unique = ({ label: word }) => providers.value.filter((each) => each.label === word).length === 1;
  const labels = new Map(providers.value.map((each) => [each.name, `(${unique(each) ? each.label : each.name})`]));
  const shown = ({ name, provider }) => (name.endsWith(labels.get(provider)) ? name : `${name} ${labels.get(provider)}`);
  const options = (list) => list.map((each) => html`<option key=${each.id} value=${each.id} selected=${each.id === value}>${shown(each)}</option>`);
  const favorites = usableFavorites.value.filter((each) => each.purpose === "chat");
  const names = Object.keys(roles.value);
  return html`<label class="select model-choice"><span class="visually-hidden">${label}</span>
    <select value=${value} onChange=${(event) => onChange(event.currentTarget.value)}>
      ${!known && html`<option value=${value} selected>${value === "" ? "Choose a model" : `${value} (not available)`}</option>`}
      ${favorites.length > 0 && html`<optgroup label="★ Favorites">${options(favorites)}</optgroup>`}
      ${withRoles && names.length > 0 && html`<optgroup label="Roles">${names.map((name) => html`<option key=${name} value=${`@${name}`} selected=${value === `@${name}`}>@${name}${roles.value[name].id ? ` → ${roles.value[name].id}` : ""}</option>`)}</optgroup>`}
      ${providers.value.map((provider) => {
        const list = provider.models.filter((each) => each.purpose === "chat" && each.available);
        return list.length > 0 && html`<optgroup key=${provider.name} label=${provider.label}>${options(list)}</optgroup>`;
      })}
    </select></label>`;
}

export const baseUrl = () => `${BASE}${surface.value === null ? "" : `${surface.value}/`}v1`;

export function curlOf(id, key = "$FLEET_KEY", keyed = true) {
  const body = JSON.stringify({ model: id, messages: [{ role: "user", content: "Hello" }] });
  const auth = keyed ? ` \\\n  -H "authorization: Bearer ${key}"` : "";
  return `curl ${baseUrl()}/chat/completions${auth} \\\n  -H "content-type: application/json" \\\n  -d '${body}'`;
}
