import { useEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { parts } from "./format.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

const WORDS = {
  online: "Online",
  degraded: "Degraded",
  offline: "Offline",
  config_error: "Key or configuration",
  unknown: "Not probed yet",
  disabled: "Disabled",
  waking: "Waking",
};

export function StatusBadge({ status }) {
  return html`<span class=${`status ${status}`}><span class="dot" aria-hidden="true"></span>${WORDS[status] ?? status}</span>`;
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

/** A button; with `label` instead of words inside it shows its icon only. */
export function Button({ icon, label, kind = "", busy = false, disabled = false, children, ...rest }) {
  return html`<button type="button" class=${`button ${kind}${children ? "" : " square"}`} aria-label=${label} title=${children ? undefined : label}
    disabled=${disabled || busy} aria-busy=${busy ? "true" : undefined} ...${rest}>
    ${icon && html`<${Icon} name=${icon} size=${16} />`}${children && html`<span>${children}</span>`}</button>`;
}

/** A button whose work may fail: it is busy meanwhile, and what went wrong is shown as a notice. */
export function ActionButton({ run, done, ...rest }) {
  const [busy, setBusy] = useState(false);
  async function onClick() {
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
    else notify("this browser does not let a page copy: select the text instead", "bad");
  };
  return html`<${Button} icon=${copied ? "check" : "copy"} kind=${kind} label=${copied ? "Copied" : label} onClick=${onClick}>${children && (copied ? "Copied" : children)}<//>`;
}

/** A sentence whose parts in backticks are code. */
export function Sentence({ text }) {
  return parts(text).map((part) => (part.code === undefined ? part : html`<code>${part.code}</code>`));
}

export function Command({ text }) {
  return html`<span class="command"><code>${text}</code><${Copy} text=${text} label="Copy the command" /></span>`;
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
    ([each, word]) => html`<button type="button" key=${each} aria-pressed=${each === value ? "true" : "false"} onClick=${() => onChange(each)}>${word}</button>`,
  )}</div>`;
}

export function Select({ label, value, options, onChange, hidden = true }) {
  return html`<label class="select">${hidden ? html`<span class="visually-hidden">${label}</span>` : html`<span class="label">${label}</span>`}
    <select value=${value} aria-label=${label} onChange=${(event) => onChange(event.currentTarget.value)}>${options.map(
      ([each, word]) => html`<option key=${each} value=${each} selected=${each === value}>${word}</option>`,
    )}</select></label>`;
}

export function Toggle({ pressed, onChange, icon, children }) {
  return html`<button type="button" class="chip" aria-pressed=${pressed ? "true" : "false"} onClick=${() => onChange(!pressed)}>${icon && html`<${Icon} name=${icon} size=${14} />`}${children}</button>`;
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
