import { html } from "../app/html.js";
import { date, duration, shortTime } from "../app/format.js";
import { statusWord } from "../app/parts.js";
import { now } from "../app/store.js";

export const DAY = 24 * 3600 * 1000;
const SERVING = new Set(["online", "degraded"]);

/** Changes of status (newest first) as spans of time: `[{from, to, status, reason}]`, oldest first. */
export function spans(changes, from, to) {
  const found = [];
  let end = to;
  for (const { status, reason, at } of changes) {
    const begin = Date.parse(at);
    if (begin < end) found.unshift({ from: Math.max(begin, from), to: end, status, reason });
    end = Math.min(end, begin);
    if (begin <= from) return found;
  }
  if (end > from) found.unshift({ from, to: end, status: "none", reason: null });
  return found;
}

/** A provider's last 24 hours; on hover and focus it lists the outages. */
export function Strip({ name, changes }) {
  const to = Math.floor(now.value / 60_000) * 60_000 + 60_000;
  const from = to - DAY;
  const mine = changes.filter((each) => each.provider === name);
  const parts = spans(mine, from, to);
  const outages = parts.filter((each) => !SERVING.has(each.status) && each.status !== "none" && each.status !== "unknown" && each.status !== "disabled");
  const known = parts.filter((each) => each.status !== "none" && each.status !== "unknown");
  const total = sum(known);
  const share = total > 0 ? (100 * sum(known.filter((each) => SERVING.has(each.status)))) / total : null;
  const label = `Last 24 hours: ${share === null ? "nothing known" : `serving ${percent(share)}`}, ${outages.length === 0 ? "no outage" : outages.map(describe).join("; ")}`;
  return html`<div class="strip-box">
    <div class="strip" role="img" tabindex="0" aria-label=${label}>
      <svg viewBox="0 0 1440 10" preserveAspectRatio="none" aria-hidden="true">${parts.map((each) => {
        const x = (each.from - from) / 60_000;
        return html`<rect key=${each.from} class=${each.status} x=${x} y="0" width=${Math.max((each.to - each.from) / 60_000, 6)} height="10" />`;
      })}</svg>
      <div class="strip-tip" aria-hidden="true">${outages.length === 0 ? "No outage in the last 24 hours" : outages.slice(-6).reverse().map((each) => html`<div key=${each.from}>${describe(each)}</div>`)}</div>
    </div>
    <div class="strip-scale"><span>24 h</span><span>${share === null ? "" : percent(share)}</span><span>now</span></div></div>`;
}

const sum = (parts) => parts.reduce((total, each) => total + each.to - each.from, 0);
const percent = (share) => `${share >= 99.95 ? "100" : share.toFixed(1)} %`;

function describe({ from, to, status, reason }) {
  const over = to > Date.now() - 1000;
  const begin = from < Date.now() - DAY / 2 ? date(from) : shortTime(from);
  return `${statusWord(status)} ${begin}–${over ? "now" : shortTime(to)} (${duration(Math.round((to - from) / 1000))})${reason ? `: ${reason}` : ""}`;
}
