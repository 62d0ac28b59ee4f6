// One for all tabs of this console: it reads the event feed, one for each key and surface, and hands out the
// places for responses that stream. A browser opens six connections to an origin; the lists need one of them.

const CONNECTIONS = 6;
const MOST_STREAMS = 4;
const SILENCE = 40_000;
const DELAYS = [500, 1000, 2000, 3000];

const feeds = new Map();
const streams = { running: new Set(), waiting: [] };

class Feed {
  constructor(name, options) {
    this.name = name;
    this.options = options;
    this.ports = new Set();
    this.live = false;
    this.failure = null;
    this.last = undefined;
    this.failures = 0;
    this.abort = new AbortController();
    this.run();
  }

  async run() {
    const stopped = this.abort.signal;
    while (!stopped.aborted) {
      let denied = false;
      try {
        await this.read();
        this.failures = 0;
      } catch (error) {
        denied = error.status === 401 || error.status === 403;
        this.failure = { status: error.status ?? 0, message: error.message };
      }
      if (stopped.aborted) return;
      this.setLive(false);
      if (denied) {
        feeds.delete(this.name);
        return;
      }
      await new Promise((done) => setTimeout(done, DELAYS[Math.min(this.failures++, DELAYS.length - 1)]));
    }
  }

  async read() {
    const reading = new AbortController();
    const stop = () => reading.abort();
    this.abort.signal.addEventListener("abort", stop);
    let timer = setTimeout(stop, SILENCE);
    try {
      const { url, key } = this.options;
      const headers = key === null ? {} : { authorization: `Bearer ${key}` };
      if (this.last !== undefined) headers["last-event-id"] = this.last;
      const response = await fetch(url, { headers, signal: reading.signal, cache: "no-store" });
      if (!response.ok) throw Object.assign(new Error(`the feed: ${response.status}`), { status: response.status });
      this.failures = 0;
      this.failure = null;
      this.setLive(true);
      if (this.last === undefined) this.post({ type: "events", events: [{ event: "resync", data: {} }] });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(stop, SILENCE);
        const blocks = (text + value).split("\n\n");
        text = blocks.pop();
        const events = blocks.map(parse).filter((event) => event !== null);
        for (const event of events) this.last = event.id;
        if (events.length > 0) this.post({ type: "events", events });
      }
    } finally {
      clearTimeout(timer);
      this.abort.signal.removeEventListener("abort", stop);
    }
  }

  setLive(live) {
    this.live = live;
    this.post(this.state());
  }

  state() {
    return { type: "state", live: this.live, failure: this.live ? null : this.failure };
  }

  post(message) {
    for (const port of this.ports) port.postMessage(message);
  }
}

function parse(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return fields.data === undefined ? null : { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
}

function follow(port, options) {
  leave(port);
  const name = `${options.key}\n${options.url}`;
  let feed = feeds.get(name);
  if (feed === undefined) {
    feed = new Feed(name, options);
    feeds.set(name, feed);
  } else {
    port.postMessage({ type: "events", events: [{ event: "resync", data: {} }] });
  }
  feed.ports.add(port);
  port.postMessage(feed.state());
}

function leave(port) {
  for (const feed of feeds.values()) {
    if (feed.ports.delete(port) && feed.ports.size === 0) {
      feeds.delete(feed.name);
      feed.abort.abort();
    }
  }
}

function acquire(port, id) {
  streams.waiting.push({ port, id });
  grant();
}

function release(port, id) {
  const matches = (each) => each.port === port && (id === undefined || each.id === id);
  for (const each of streams.running) if (matches(each)) streams.running.delete(each);
  streams.waiting = streams.waiting.filter((each) => !matches(each));
  grant();
}

function grant() {
  const limit = Math.max(1, Math.min(MOST_STREAMS, CONNECTIONS - 1 - feeds.size));
  while (streams.running.size < limit && streams.waiting.length > 0) {
    const next = streams.waiting.shift();
    streams.running.add(next);
    next.port.postMessage({ type: "granted", id: next.id });
  }
  for (const { port, id } of streams.waiting) port.postMessage({ type: "waiting", id, running: streams.running.size });
}

function connect(port) {
  port.onmessage = ({ data }) => {
    if (data.type === "follow") follow(port, data);
    else if (data.type === "acquire") acquire(port, data.id);
    else if (data.type === "release") release(port, data.id);
    else if (data.type === "leave") gone(port);
  };
  port.addEventListener?.("close", () => gone(port));
  port.start?.();
}

function gone(port) {
  leave(port);
  release(port);
}

if ("onconnect" in self) self.onconnect = ({ ports }) => connect(ports[0]);
else connect(self);
