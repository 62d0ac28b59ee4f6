import { computed, signal } from "@preact/signals";
import { BASE, errorOf, headers, modelOf, noteUse, surface } from "../app/base.js";
import { acquireStream } from "../app/feed.js";

/**
 * Send a chat and report its parts as they arrive: `on.waiting(running)`, `on.headers(info)`, `on.delta(delta)`,
 * `on.end(end)`. Returns how it ended: "done", "stopped", "cut", or "failed". Only a response with a
 * `finish_reason` or `[DONE]` is complete: one that ends otherwise was cut.
 */
async function streamChat(body, on, abort) {
  let release = null;
  const state = { finish: null, done: false, error: null, began: false };
  try {
    release = await acquireStream(on.waiting, abort);
    const started = performance.now();
    on.sent?.(started);
    const path = `${surface.value === null ? "" : `${surface.value}/`}v1/chat/completions`;
    const response = await fetch(new URL(path, BASE), {
      method: "POST",
      headers: headers({ "content-type": "application/json" }),
      body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
      signal: abort,
    });
    const header = (name) => response.headers.get(name);
    on.headers({
      provider: header("x-fleet-provider"),
      model: header("x-fleet-model") && decodeURIComponent(header("x-fleet-model")),
      via: header("x-fleet-via"),
      state: header("x-fleet-state"),
      fallback: header("x-fleet-fallback") && decodeURIComponent(header("x-fleet-fallback")),
    });
    if (!response.ok) {
      const error = await errorOf(response);
      on.failed(error.message, error.code);
      return "failed";
    }
    state.began = true;
    for await (const data of events(response.body)) {
      if (data === "[DONE]") state.done = true;
      else take(JSON.parse(data), state, on);
      if (state.error !== null) break;
    }
    if (state.error === null && (state.done || state.finish !== null)) return "done";
    on.failed(state.error ?? "the provider's response ended before it was complete");
    return "cut";
  } catch (error) {
    if (abort.aborted) return "stopped";
    on.failed(state.began ? "the connection was lost in the middle of the response" : "the gateway does not respond");
    return state.began ? "cut" : "failed";
  } finally {
    release?.();
  }
}

function take(chunk, state, on) {
  if (chunk.error) {
    state.error = chunk.error.message ?? String(chunk.error);
    return;
  }
  const choice = chunk.choices?.[0];
  if (choice?.delta) on.delta(choice.delta);
  if (choice?.finish_reason) state.finish = choice.finish_reason;
  if (chunk.usage || chunk.timings) on.usage(chunk.usage ?? {}, chunk.timings ?? {});
  if (choice?.finish_reason) on.finish?.(choice.finish_reason);
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (text + value).split("\n");
    text = lines.pop();
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}

// A response while it streams. It belongs to the page, not to a view: leaving the view changes nothing.

const running = signal(new Set());
/** How many answers of conversations stream now. */
export const runningAnswers = computed(() => [...running.value].filter((each) => each.talks).length);

export class Answer {
  constructor(saved = {}) {
    this.text = saved.text ?? "";
    this.reasoning = saved.reasoning ?? "";
    this.calls = saved.calls ?? [];
    this.model = saved.model ?? null;
    /** "queued", "sent", "streaming"; then "done", "stopped", "cut", "failed". */
    this.phase = signal(saved.phase ?? "done");
    this.info = signal(saved.info ?? {});
    /** Grows with every part: what shows the answer reads it. */
    this.version = signal(0);
    this.talks = saved.talks ?? false;
    this.abort = new AbortController();
  }

  get over() {
    return ["done", "stopped", "cut", "failed"].includes(this.phase.value);
  }

  /** Send `body`; resolves when the response is over, however it ends. */
  async run(body) {
    this.model = body.model;
    this.phase.value = "queued";
    running.value = new Set([...running.value, this]);
    let started = performance.now();
    let first = null;
    const note = (more) => {
      this.info.value = { ...this.info.value, ...more };
    };
    const on = {
      waiting: (count) => note({ waitsFor: count }),
      sent: (now) => {
        started = now;
        this.phase.value = "sent";
      },
      headers: (info) => note(info),
      failed: (error, code) => note({ error, code }),
      finish: (finish) => note({ finish }),
      delta: (delta) => {
        const reasoning = delta.reasoning_content ?? delta.reasoning ?? "";
        if (first === null && (delta.content || reasoning || delta.tool_calls)) {
          first = performance.now();
          note({ firstToken: (first - started) / 1000 });
          this.phase.value = "streaming";
        }
        this.text += delta.content ?? "";
        this.reasoning += reasoning;
        for (const call of delta.tool_calls ?? []) this.addCall(call);
        this.version.value += 1;
      },
      usage: (usage, timings) => {
        const tokens = usage.completion_tokens ?? timings.predicted_n ?? null;
        const seconds = first === null ? 0 : (performance.now() - first) / 1000;
        const measured = tokens > 1 && seconds > 0.001 ? (tokens - 1) / seconds : null;
        note({ tokens, tokensIn: usage.prompt_tokens ?? timings.prompt_n ?? null, perSecond: timings.predicted_per_second ?? measured });
      },
    };
    const end = await streamChat(body, on, this.abort.signal);
    note({ total: (performance.now() - started) / 1000 });
    this.phase.value = end;
    this.version.value += 1;
    if (end === "done" && this.info.value.model) noteUse(this.info.value.model);
    const left = new Set(running.value);
    left.delete(this);
    running.value = left;
    return end;
  }

  stop() {
    this.abort.abort();
  }

  addCall({ index = 0, id, function: called = {} }) {
    const held = (this.calls[index] ??= { id: null, name: "", arguments: "" });
    held.id ??= id;
    held.name += called.name ?? "";
    held.arguments += called.arguments ?? "";
  }

  saved() {
    const { text, reasoning, calls, model } = this;
    return { role: "assistant", text, reasoning, calls, model, phase: this.over ? this.phase.value : "cut", info: this.info.value };
  }
}

/** The same model on other providers that can be used now. */
export function elsewhere(id, models) {
  const name = modelOf(id);
  return [...models.values()].filter((each) => each.model === name && each.id !== id && each.available);
}

// Conversations of this browser, in IndexedDB; where it is blocked, for as long as the page is open.

export const conversations = signal([]);
const opened = open();

function open() {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open("fleet", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("conversations", { keyPath: "id" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}

async function store(mode, work) {
  const database = await opened;
  if (database === null) return null;
  return new Promise((resolve) => {
    const request = work(database.transaction("conversations", mode).objectStore("conversations"));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  });
}

/** Everything that was kept, the newest first. */
export const loaded = (async () => {
  const saved = (await store("readonly", (area) => area.getAll())) ?? [];
  const known = new Set(conversations.value.map((each) => each.id));
  const former = saved.filter((each) => !known.has(each.id)).map((each) => ({ ...each, messages: signal(each.messages.map(revive)) }));
  conversations.value = sortedByTime([...conversations.value, ...former]);
})();

const revive = (message) => (message.role === "assistant" ? { role: "assistant", answer: new Answer(message) } : message);
const sortedByTime = (all) => all.sort((a, b) => b.updated - a.updated);

function newId() {
  return [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function create(model) {
  const conversation = { id: newId(), title: "New chat", updated: Date.now(), model, system: "", parameters: {}, messages: signal([]) };
  conversations.value = [conversation, ...conversations.value];
  return conversation;
}

/** Change fields of a conversation, and keep it. */
export function update(conversation, fields = {}) {
  Object.assign(conversation, fields, { updated: Date.now() });
  conversations.value = sortedByTime([...conversations.value]);
  save(conversation);
}

export function save(conversation) {
  if (conversation.messages.value.length > 0) store("readwrite", (area) => area.put(plain(conversation)));
}

export function remove(conversation) {
  for (const { answer } of conversation.messages.value) answer?.stop();
  conversations.value = conversations.value.filter((each) => each !== conversation);
  store("readwrite", (area) => area.delete(conversation.id));
}

/** The conversation as plain data: what is kept and exported. */
export function plain({ messages, ...rest }) {
  return { ...rest, messages: messages.value.map((each) => (each.answer ? each.answer.saved() : each)) };
}

export function asMarkdown(conversation) {
  const { title, system, messages } = plain(conversation);
  const parts = [`# ${title}`, ...(system ? [`> ${system.replaceAll("\n", "\n> ")}`] : [])];
  for (const message of messages) {
    if (message.role === "user") parts.push(`## You\n\n${message.text}`);
    else {
      const cut = message.phase === "done" ? "" : `\n\n*(${message.phase})*`;
      parts.push(`## ${message.info.model ?? message.model}\n\n${message.text}${cut}`);
    }
  }
  return `${parts.join("\n\n")}\n`;
}

/** The messages as the API takes them, without the one that is to be written. */
export function asRequest({ system, messages, parameters, model }) {
  const sent = system ? [{ role: "system", content: system }] : [];
  for (const each of messages.value) {
    if (each.role === "user") {
      const images = (each.images ?? []).map((url) => ({ type: "image_url", image_url: { url } }));
      sent.push({ role: "user", content: images.length ? [{ type: "text", text: each.text }, ...images] : each.text });
    } else if (each.answer.text) sent.push({ role: "assistant", content: each.answer.text });
  }
  const given = Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  return { model, messages: sent, ...given };
}
