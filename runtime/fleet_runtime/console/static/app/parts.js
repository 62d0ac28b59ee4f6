import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { capital, color, command, dark, date, day, html, parts, shortTime } from "./base.js";

// One set: strokes of 1.75 on a grid of 24.
const PATHS = {
  fleet: "M4 5h16v5H4zM4 14h16v5H4zM8 7.5h.01M8 16.5h.01M12 7.5h4M12 16.5h4",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  chat: "M4 5h16v11H10l-5 4v-4H4z",
  arena: "M4 5h7v14H4zM13 5h7v14h-7zM7 9h1M7 12h1M16 9h1M16 12h1",
  activity: "M3 12h4l3-8 4 16 3-8h4",
  setup: "M5 7h9M18 7h1M5 17h1M10 17h9M16 5v4M8 15v4",
  machine: "M4 5h16v10H4zM9 20h6M12 15v5",
  star: "M12 3.8l2.5 5.2 5.7.8-4.1 4 1 5.6-5.1-2.7-5.1 2.7 1-5.6-4.1-4 5.7-.8z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  check: "M5 12.5l4.5 4.5L19 7.5",
  refresh: "M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6",
  power: "M12 4v8M7 7a7 7 0 1 0 10 0",
  eject: "M12 5l7 9H5zM5 19h14",
  stop: "M7 7h10v10H7z",
  send: "M5 12l14-7-4 14-3-6z",
  image: "M4 5h16v14H4zM8 10.5h.01M5 17l5-5 4 4 2-2 3 3",
  tools: "M14 6a4 4 0 0 0 5 5l-8 8a2.1 2.1 0 0 1-3-3l8-8zM5 5l4 4",
  brain: "M9 4a3 3 0 0 0-3 3 3 3 0 0 0-2 5 3 3 0 0 0 2 5 3 3 0 0 0 6 1V6a3 3 0 0 0-3-2zM12 6a3 3 0 0 1 6 1 3 3 0 0 1 2 5 3 3 0 0 1-2 5 3 3 0 0 1-6 1",
  cloud: "M7 18a4 4 0 0 1-.5-8A6 6 0 0 1 18 9.5a4.2 4.2 0 0 1-.5 8.5z",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15.5 15.5L20 20",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  down: "M6 9l6 6 6-6",
  left: "M15 6l-6 6 6 6",
  up: "M6 15l6-6 6 6",
  close: "M6 6l12 12M18 6L6 18",
  warning: "M12 4l9 16H3zM12 10v4M12 17h.01",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 11v5M12 8h.01",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M19 5l-1.4 1.4M6.4 17.6L5 19",
  moon: "M19 14.5A8 8 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  more: "M4 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M18 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  download: "M12 4v11M7 10l5 5 5-5M5 20h14",
  external: "M10 6H5v13h13v-5M14 4h6v6M20 4l-9 9",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  eye: "M3 12s3.5-6 9-6 9 6 9 6-3.5 6-9 6-9-6-9-6zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  key: "M9 10a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 12l7-7M16 8l2.5 2.5",
};

/** An icon next to words; one that is alone needs the label of its button. */
export function Icon({ name, size = 18, filled = false }) {
  return html`<svg class=${`icon${filled ? " filled" : ""}`} width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

const WORDS = {
  online: "Online",
  degraded: "Failing",
  offline: "Offline",
  config_error: "Key or configuration",
  unknown: "Not probed yet",
  disabled: "Disabled",
  waking: "Waking",
};

/** The status of a provider, in the words of `fleet status`; one that is never probed has none. */
export function StatusBadge({ report: { status, polled, reason } }) {
  const shown = status === "online" && reason ? "degraded" : status;
  const word = polled === false && status === "unknown" ? "Never probed" : statusWord(shown);
  return html`<span class=${`status ${shown}`}><span class="dot" aria-hidden="true"></span>${word}</span>`;
}

export const statusWord = (status) => WORDS[status] ?? status;

export function StateBadge({ state }) {
  if (state === "unknown") return null;
  const words = { loaded: "Loaded", loading: "Loading", unloaded: "Not loaded" };
  return html`<span class=${`state ${state}`}>${words[state] ?? state}</span>`;
}

export function Tag({ icon, children, title }) {
  return html`<span class="tag" title=${title}>${icon && html`<${Icon} name=${icon} size=${14} />`}${children}</span>`;
}

/** A button; with `label` instead of words inside it shows its icon only. One that is busy keeps the focus. */
export function Button({ icon, label, kind = "", busy = false, children, ...rest }) {
  return html`<button type="button" class=${`button ${kind}${children ? "" : " square"}`} aria-label=${label} title=${children ? undefined : label} aria-busy=${busy || undefined} ...${rest}>
    ${icon && html`<${Icon} name=${icon} size=${16} />`}${children && html`<span>${children}</span>`}</button>`;
}

/** A button whose work may fail: it is busy meanwhile, and what went wrong is shown as a notice. */
export function ActionButton({ run, done, ...rest }) {
  const [busy, setBusy] = useState(false);
  async function onClick() {
    if (busy) return;
    setBusy(true);
    try {
      await run();
      if (done) notify(done);
    } catch (error) {
      notify(error.message, "bad");
    } finally {
      setBusy(false);
    }
  }
  return html`<${Button} busy=${busy} onClick=${onClick} ...${rest} />`;
}

/** Copy text; without the clipboard of a secure page, by the selection of a hidden field. */
export async function copyText(text) {
  if (navigator.clipboard && isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // not allowed: the selection
    }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "copied";
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  before?.focus?.();
  return copied;
}

export function Copy({ text, label = "Copy", children, kind = "quiet" }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [copied]);
  const onClick = async (event) => {
    event.stopPropagation();
    if (await copyText(typeof text === "function" ? text() : text)) setCopied(true);
    else notify("this browser does not allow copying: select the text instead", "bad");
  };
  return html`<${Button} icon=${copied ? "check" : "copy"} kind=${kind} label=${copied ? "Copied" : label} onClick=${onClick}>${children && (copied ? "Copied" : children)}<//>`;
}

/** A sentence whose parts in backticks are code. */
export function Sentence({ text }) {
  return parts(text).map((part) => (part.code === undefined ? part : html`<code>${part.code}</code>`));
}

export function Command({ text }) {
  return html`<span class="command"><code tabindex="0">${text}</code><${Copy} text=${text} label="Copy the command" /></span>`;
}

/** What to do: a sentence around the command that it names, which can be copied. */
export function Remedy({ text }) {
  const named = command(text);
  const [before, after = ""] = named === null ? [text ?? ""] : text.split(`\`${named}\``).map((part) => part.replace(/^[\s,;:]+|[\s,;:]+$/g, ""));
  return html`${before !== "" && html`<p class="muted"><${Sentence} text=${capital(before) + (named === null ? "" : ":")} /></p>`}
    ${named !== null && html`<${Command} text=${named} />`}${after !== "" && html`<p class="muted"><${Sentence} text=${after} /></p>`}`;
}

export function Empty({ icon, title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} size=${28} /><p class="empty-title">${title}</p>${children && html`<div class="empty-text">${children}</div>`}</div>`;
}

export function Notice({ kind = "info", children, action }) {
  const icon = kind === "info" ? "info" : "warning";
  return html`<div class=${`notice ${kind}`}><${Icon} name=${icon} size=${18} /><div class="notice-text">${children}</div>${action}</div>`;
}

const notices = signal([]);
let counter = 0;

/** Say something at the foot of the page for some seconds. */
export function notify(text, kind = "good") {
  const id = ++counter;
  notices.value = [...notices.value.slice(-3), { id, text, kind }];
  setTimeout(() => {
    notices.value = notices.value.filter((each) => each.id !== id);
  }, kind === "bad" ? 8000 : 3500);
}

export function Notices() {
  return html`<div class="toasts" role="status" aria-live="polite">${notices.value.map(
    (each) => html`<div key=${each.id} class=${`toast ${each.kind}`}><${Icon} name=${each.kind === "bad" ? "warning" : "check"} size=${16} />${each.text}</div>`,
  )}</div>`;
}

/** A dialog of the browser's own: focus stays inside, Escape closes it. */
export function Dialog({ title, onClose, children, wide = false }) {
  const ref = useRef(null);
  useEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return html`<dialog ref=${ref} class=${wide ? "wide" : ""} aria-label=${title} onClose=${onClose}
    onClick=${(event) => event.target === ref.current && onClose()}>
    <div class="dialog-head"><h2>${title}</h2><${Button} icon="close" kind="quiet" label="Close" onClick=${onClose} /></div>
    <div class="dialog-body">${children}</div></dialog>`;
}

export function Segmented({ label, value, options, onChange }) {
  return html`<div class="segmented" role="group" aria-label=${label}>${options.map(
    ([each, word]) => html`<button type="button" key=${each} aria-pressed=${each === value} onClick=${() => onChange(each)}>${word}</button>`,
  )}</div>`;
}

export function Select({ label, value, options, onChange, hidden = true }) {
  return html`<label class="select">${hidden ? html`<span class="visually-hidden">${label}</span>` : html`<span class="label">${label}</span>`}
    <select value=${value} aria-label=${label} onChange=${(event) => onChange(event.currentTarget.value)}>${options.map(
      ([each, word]) => html`<option key=${each} value=${each} selected=${each === value}>${word}</option>`,
    )}</select></label>`;
}

export function Toggle({ pressed, onChange, icon, children }) {
  return html`<button type="button" class="chip" aria-pressed=${pressed} onClick=${() => onChange(!pressed)}>${icon && html`<${Icon} name=${icon} size=${14} />`}${children}</button>`;
}

/** JSON on lines of its own; other text as it is. */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** Save text as a file of this computer. */
export function download(name, text, type = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Keep a growing box at its end until it is scrolled up: `{box, inner, away, toEnd}`. */
export function useFollowEnd(reset) {
  const box = useRef(null);
  const inner = useRef(null);
  const follows = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = () => {
    follows.current = true;
    setAway(false);
    box.current.scrollTop = box.current.scrollHeight;
  };
  useEffect(() => {
    const element = box.current;
    let last = element.scrollTop;
    const onScroll = () => {
      const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 48;
      if (atEnd) follows.current = true;
      else if (element.scrollTop < last - 1) follows.current = false;
      last = element.scrollTop;
      setAway(!follows.current);
    };
    const observer = new ResizeObserver(() => {
      if (follows.current) element.scrollTop = element.scrollHeight;
    });
    observer.observe(inner.current);
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, []);
  useEffect(toEnd, [reset]);
  return { box, inner, away, toEnd };
}

/** A small line of values, the last of them in words. */
export function Spark({ label, values, text }) {
  return html`<div class="spark"><p class="spark-head">${label}<b>${text}</b></p><svg viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">${values.length < 2 ? html`<path class="line none" d="M0,29.5H100" />` : html`<path class="area" d=${`${line(values)}L100,30L0,30Z`} /><path class="line" d=${line(values)} />`}</svg></div>`;
}

function line(values) {
  const top = Math.max(...values) || 1;
  const step = 100 / (values.length - 1);
  return values.map((value, place) => `${place === 0 ? "M" : "L"}${(place * step).toFixed(1)},${(28 - (26 * value) / top).toFixed(1)}`).join("");
}

/** A chart over time: `times` in seconds, `lines` as `[{label, values, hue, show}]`. */
export function Chart({ title, times, lines, unit = "" }) {
  const ref = useRef(null);
  const isDark = dark.value;
  useEffect(() => {
    const box = ref.current;
    const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const last = Math.max(...lines.map(({ values }) => values.findLastIndex((each) => each !== null)));
    const showLast = (plot) => plot.setLegend({ idx: last < 0 ? null : last });
    const options = {
      width: box.clientWidth || 400,
      height: 190,
      hooks: { ready: [showLast] },
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...axis, size: 32, values: (_, ticks) => ticks.map((each) => (times.at(-1) - times[0] > 2 * 86400 ? day : shortTime)(each * 1000)) }, { ...axis, size: 52, values: (_, ticks) => ticks.map((each) => `${each}${unit}`) }],
      series: [{ label: "Time", value: (_, each) => (each === null ? "–" : date(each * 1000)) }, ...lines.map(({ label, values, hue, show }) => ({ label, stroke: color(hue), width: 1.75, fill: color(hue, 12), spanGaps: true, points: { show: values.filter((each) => each !== null).length < 30, size: 4 }, value: (_, value) => (value === null || value === undefined ? "–" : show ? show(value) : value) }))],
    };
    const plot = new uPlot(options, [times, ...lines.map((each) => each.values)], box);
    plot.over.addEventListener("mouseleave", () => showLast(plot));
    const observer = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: 190 }));
    observer.observe(box);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [times, lines, isDark]);
  return html`<figure class="chart-box"><h3>${title}</h3><div class="chart" ref=${ref} role="img" aria-label=${summary(title, lines)}></div></figure>`;
}

function summary(title, lines) {
  return `${title}: ${lines.map(({ label, values, show }) => {
    const known = values.filter((each) => each !== null);
    return known.length === 0 ? `${label} not known` : `${label} ${show ? show(known.at(-1)) : known.at(-1)} last, ${show ? show(Math.max(...known)) : Math.max(...known)} at most`;
  }).join("; ")}`;
}
