import { useEffect, useRef, useState } from "preact/hooks";
import { html } from "../app/base.js";
import { Button, notify } from "../app/parts.js";

const FIELDS = [
  ["temperature", "Temperature", { min: 0, max: 2, step: 0.1 }],
  ["top_p", "Top p", { min: 0, max: 1, step: 0.05 }],
  ["max_tokens", "Max tokens", { min: 1, step: 1 }],
  ["seed", "Seed", { step: 1 }],
];

/** The system prompt and what is sent besides the messages; empty fields are not sent. */
export function ChatSettings({ conversation, onChange }) {
  const { system, parameters } = conversation;
  const set = (name, value) => onChange({ parameters: { ...conversation.parameters, [name]: value } });
  const setTools = (text) => {
    if (text.trim() === "") return set("tools", undefined);
    try {
      return set("tools", JSON.parse(text));
    } catch (error) {
      return notify(`the tools are not JSON: ${error.message}`, "bad");
    }
  };
  return html`<div class="chat-settings"><label class="field"><span class="label">System prompt</span>
      <textarea rows="2" value=${system} onChange=${(event) => onChange({ system: event.currentTarget.value })}></textarea></label>
    <div class="parameters">${FIELDS.map(([name, word, limits]) => html`<label class="field" key=${name}><span class="label">${word}</span>
      <input type="number" ...${limits} placeholder="default" value=${parameters[name] ?? ""} onChange=${(event) => set(name, event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))} /></label>`)}</div>
    <details><summary class="label">Tools</summary><label class="field"><span class="visually-hidden">Tools as JSON</span>
      <textarea rows="3" class="mono" placeholder=${'[{"type": "function", "function": {"name": "…", "parameters": {}}}]'} value=${parameters.tools ? JSON.stringify(parameters.tools, null, 1) : ""} onChange=${(event) => setTools(event.currentTarget.value)}></textarea></label></details></div>`;
}

const MOST_BYTES = 8_000_000;

/** Where a message is written: Enter sends, Shift+Enter breaks the line. */
export function Composer({ draft, onSend, onStop, running, vision, disabled, placeholder }) {
  const [text, setText] = useState("");
  const [images, setImages] = useState([]);
  const field = useRef(null);
  const file = useRef(null);
  useEffect(() => {
    if (draft === null || draft === undefined) return;
    setText(draft.text);
    setImages(draft.images ?? []);
    field.current.focus();
  }, [draft]);
  useEffect(() => {
    const { style } = field.current;
    style.height = "auto";
    style.height = `${Math.min(field.current.scrollHeight + 2, 220)}px`;
  }, [text]);
  const empty = text.trim() === "" && images.length === 0;
  function send() {
    if (empty || running || disabled) return;
    onSend({ text: text.trim(), images: vision ? images : [] });
    setText("");
    setImages([]);
  }
  function onKeyDown(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  }
  async function add(files) {
    for (const each of files) {
      if (!each.type.startsWith("image/")) continue;
      if (each.size > MOST_BYTES) notify(`${each.name} is larger than 8 MB`, "bad");
      else {
        const url = await dataUrl(each);
        setImages((held) => [...held, url]);
      }
    }
  }
  return html`<form class="composer" onSubmit=${(event) => { event.preventDefault(); send(); }}>
    ${images.length > 0 && html`<div class="images">${images.map((url, place) => html`<span class="thumb" key=${place}><img src=${url} alt=${`attached image ${place + 1}`} /><${Button} icon="close" kind="quiet" label=${`Remove image ${place + 1}`} onClick=${() => setImages(images.filter((_, each) => each !== place))} /></span>`)}</div>`}
    ${images.length > 0 && !vision && html`<p class="error-text">This model does not accept images; they are not sent.</p>`}
    <div class="composer-row">
      ${vision && html`<input ref=${file} type="file" accept="image/*" multiple hidden onChange=${(event) => { add(event.currentTarget.files); event.currentTarget.value = ""; }} />
        <${Button} icon="image" kind="quiet" label="Attach images" onClick=${() => file.current.click()} />`}
      <textarea ref=${field} rows="1" aria-label="Message" placeholder=${placeholder} value=${text} onInput=${(event) => setText(event.currentTarget.value)} onKeyDown=${onKeyDown}
        onPaste=${(event) => vision && add(event.clipboardData.files)}></textarea>
      ${running ? html`<${Button} icon="stop" kind="danger" onClick=${onStop}>Stop<//>` : html`<${Button} type="submit" icon="send" kind="primary" disabled=${empty || disabled}>Send<//>`}
    </div></form>`;
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
