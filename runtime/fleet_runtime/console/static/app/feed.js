import { signal } from "@preact/signals";
import { apiUrl, key } from "./base.js";

const script = document.querySelector("script[data-base]");
const policy = globalThis.trustedTypes?.createPolicy("fleet", { createScriptURL: (url) => url });

/** Whether the events arrive, since when they do not, and why. */
export const feedState = signal({ live: false, since: Date.now(), failure: null });

const listeners = new Set();
const waiting = new Map();
let port = null;
let counter = 0;

/** Call `listener` with each batch of events. */
export function onEvents(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Follow the events of the surface that is shown. A browser without SharedWorker has a feed in each tab. */
export function follow(topics) {
  port ??= open();
  port.postMessage({ type: "follow", key: key.value, url: apiUrl("/api/events", { topics: topics.join(",") }) });
}

/**
 * Wait for a place among the responses that may stream at once; `onWait` is called if there is none yet.
 * Returns what gives the place back.
 */
export function acquireStream(onWait, abort) {
  port ??= open();
  const id = ++counter;
  const release = () => port.postMessage({ type: "release", id });
  return new Promise((resolve, reject) => {
    const stop = () => {
      waiting.delete(id);
      release();
      reject(new DOMException("stopped", "AbortError"));
    };
    if (abort?.aborted) return stop();
    abort?.addEventListener("abort", stop, { once: true });
    waiting.set(id, {
      onWait,
      granted: () => {
        abort?.removeEventListener("abort", stop);
        resolve(release);
      },
    });
    port.postMessage({ type: "acquire", id });
  });
}

function open() {
  const address = new URL(`${script.dataset.base}feed/worker.js`, document.baseURI).href;
  const url = policy ? policy.createScriptURL(address) : address;
  const shared = globalThis.SharedWorker !== undefined;
  const worker = shared ? new SharedWorker(url, "fleet") : new Worker(url);
  const opened = shared ? worker.port : worker;
  opened.onmessage = ({ data }) => receive(data);
  opened.start?.();
  return opened;
}

function receive(message) {
  if (message.type === "events") {
    for (const listener of listeners) listener(message.events);
  } else if (message.type === "state") {
    const before = feedState.value;
    const since = message.live === before.live ? before.since : Date.now();
    feedState.value = { live: message.live, since, failure: message.failure };
  } else if (message.type === "granted") {
    waiting.get(message.id)?.granted();
    waiting.delete(message.id);
  } else if (message.type === "waiting") {
    waiting.get(message.id)?.onWait?.(message.running);
  }
}

addEventListener("pagehide", () => port?.postMessage({ type: "leave" }));
