import MarkdownIt from "markdown-it";

// Markdown as it streams. Finished blocks are never touched again; only the last one is rendered, at most once a
// frame, from at most 4 KB of new text. What a model writes becomes HTML only through DOMPurify.

const STEP = 4096;
const LARGEST = 8192;
const MOST_TOKENS = 1600;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

const parser = new MarkdownIt({ html: false, linkify: true, breaks: false });
const rules = parser.renderer.rules;

for (const name of ["th_open", "td_open"]) {
  rules[name] = (tokens, place, options, _env, self) => {
    const token = tokens[place];
    const style = token.attrGet("style");
    if (style !== null) token.attrs = [["class", `align-${style.replace("text-align:", "").trim()}`]];
    return self.renderToken(tokens, place, options);
  };
}

rules.image = (tokens, place) => {
  const token = tokens[place];
  const escape = parser.utils.escapeHtml;
  return `<a class="remote-image" href="${escape(token.attrGet("src") ?? "")}">${escape(token.content || "image")}</a>`;
};

const ALLOWED = {
  ALLOWED_TAGS: "a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p pre s strong sub sup table tbody td th thead tr ul".split(" "),
  ALLOWED_ATTR: ["href", "class", "start", "target", "rel", "title"],
  FORBID_ATTR: ["style"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|#)/i,
  RETURN_TRUSTED_TYPE: true,
};

DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer");
  }
});

/** The Markdown of one response in `container`. */
export class MarkdownStream {
  constructor(container) {
    this.container = container;
    this.text = "";
    this.read = 0;
    this.begin = 0;
    this.frame = null;
    this.last = null;
    this.code = null;
    this.env = {};
    this.prefix = "";
    this.ended = false;
    this.onGrow = null;
  }

  /** Show `text`, which begins with what was shown before; `ended`: nothing follows. */
  write(text, ended = this.ended) {
    const news = this.read < text.length || ended !== this.ended;
    this.text = text;
    this.ended = ended;
    if (this.frame === null && news) this.frame = requestAnimationFrame(() => this.step());
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }

  step() {
    this.frame = null;
    this.read = Math.min(this.text.length, this.read + STEP);
    if (this.code !== null) this.continueCode();
    if (this.code === null) this.render();
    this.onGrow?.();
    this.write(this.text);
  }

  render() {
    const source = this.prefix + this.text.slice(this.begin, this.read);
    const blocks = topLevel(parser.parse(source, this.env));
    const last = blocks.pop();
    if (last === undefined) return;
    const lines = lineStarts(source);
    for (const block of blocks) this.freeze(block.tokens);
    const offset = lines[last.line];
    if (offset > 0) {
      this.begin += offset - this.prefix.length;
      this.prefix = "";
    }
    const tail = source.slice(offset);
    if (tail.length > LARGEST || last.tokens.length > MOST_TOKENS) this.split(tail, last);
    else this.show(last.tokens);
  }

  freeze(tokens) {
    this.show(tokens);
    this.last = null;
  }

  show(tokens) {
    if (this.last === null) {
      this.last = document.createElement("div");
      this.last.className = "block";
      this.container.append(this.last);
    }
    this.last.innerHTML = DOMPurify.sanitize(parser.renderer.render(tokens, parser.options, this.env), ALLOWED);
  }

  /** A block that is too large to be rendered again and again: code goes on as text, all else is cut at a line. */
  split(tail, last) {
    const fence = FENCE.exec(tail);
    const whole = tail.lastIndexOf("\n") + 1;
    if (fence !== null && last.tokens[0].type === "fence" && whole > 0) {
      this.show(parser.parse(tail.slice(0, whole), this.env));
      this.code = { element: this.last.querySelector("code"), fence: fence[1] };
      this.begin += whole;
      this.continueCode();
      return;
    }
    const most = Math.min(LARGEST, Math.floor((tail.length * MOST_TOKENS) / last.tokens.length));
    const line = tail.lastIndexOf("\n", most) + 1;
    const end = line > most / 2 ? line : most;
    const head = tail.slice(0, end);
    this.freeze(parser.parse(head, this.env));
    this.begin += end - this.prefix.length;
    const header = this.prefix === "" ? head : this.prefix;
    this.prefix = "";
    if (last.tokens[0].type === "table_open") this.prefix = `${header.split("\n", 2).join("\n")}\n`;
    this.render();
  }

  continueCode() {
    const added = this.text.slice(this.begin, this.read);
    const { element, fence } = this.code;
    const close = new RegExp(`(^|\\n) {0,3}\\${fence[0]}{${fence.length},}[ \\t]*(\\n|$)`).exec(added);
    const final = this.ended && this.read === this.text.length;
    if (close === null || (close[2] === "" && !final)) {
      const whole = final ? added.length : added.lastIndexOf("\n") + 1;
      element.append(added.slice(0, whole));
      this.begin += whole;
      return;
    }
    element.append(added.slice(0, close.index));
    this.begin += close.index + close[0].length;
    this.code = null;
    this.last = null;
  }
}

/** Tokens by block of the top level: `[{line, tokens}]`. */
function topLevel(tokens) {
  const blocks = [];
  for (const token of tokens) {
    const begins = token.level === 0 && token.nesting >= 0;
    if (begins) blocks.push({ line: token.map?.[0] ?? 0, tokens: [] });
    blocks.at(-1).tokens.push(token);
  }
  return blocks;
}

function lineStarts(text) {
  const starts = [0];
  for (let place = text.indexOf("\n"); place >= 0; place = text.indexOf("\n", place + 1)) starts.push(place + 1);
  return starts;
}
