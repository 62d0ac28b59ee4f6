import { signal } from "@preact/signals";
import { session } from "./storage.js";

/** Where the gateway is: the page's own folder, also below the base path of a proxy. */
export const BASE = new URL("./", document.baseURI).href;

export const key = signal(session.get("key"));
/** What this key opens (`GET /api/access`); null until it is known. */
export const access = signal(null);
/** The surface that everything is asked for; null: all of the fleet. */
export const surface = signal(session.get("surface"));

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Whether the gateway has an operation that this key may use: `can("POST /api/fleet/{name}/wake")`. */
export const can = (operation) => access.value?.operations.includes(operation) ?? false;

export function setKey(value) {
  key.value = value || null;
  session.set("key", key.value);
}

export function setSurface(value) {
  surface.value = value || null;
  session.set("surface", surface.value);
}

export function headers(extra = {}) {
  return key.value === null ? extra : { ...extra, authorization: `Bearer ${key.value}` };
}

/** The URL of an operation, for the surface that is shown. */
export function apiUrl(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), BASE);
  if (surface.value !== null) url.searchParams.set("surface", surface.value);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

/** Send a request; return its response, or throw `ApiError` with what the gateway says. */
export async function send(method, url, { body, headers: extra, signal: abort } = {}) {
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: headers({ ...(body === undefined ? {} : { "content-type": "application/json" }), ...extra }),
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: abort,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "gateway_unreachable", "the gateway does not respond");
  }
  if (response.ok || response.status === 304) return response;
  throw await errorOf(response);
}

export async function errorOf(response) {
  let code = `http_${response.status}`;
  let message = `${response.status} ${response.statusText}`.trim();
  try {
    const text = await response.text();
    const { error } = JSON.parse(text);
    code = error?.code ?? error?.type ?? code;
    message = (typeof error === "string" ? error : error?.message) ?? message;
  } catch {
    // not JSON: the status is all there is
  }
  return new ApiError(response.status, String(code), String(message));
}

export const get = async (path, query) => (await send("GET", apiUrl(path, query))).json();

export async function act(method, path, body, extra) {
  const response = await send(method, apiUrl(path), { body, headers: extra });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

export const encodeId = (id) => id.split("/").map(encodeURIComponent).join("/");
