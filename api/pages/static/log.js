// Follow a step's log as it is written. Colours become class names, every other control is dropped, groups fold: the same
// rules as terminal.py and log_lines.py, which render the page for those without script.
const TOKEN = new RegExp([
  "\\x1b\\[(?<sgr>[0-9;:]*)m",
  "(?<newline>\\r?\\n)",
  "(?<cr>\\r)",
  "(?<control>\\x1b\\[[0-?]*[ -/]*[@-~]|\\x1b[\\]PX^_][^\\x07\\x1b\\n]*(?:\\x07|\\x1b\\\\)?|\\x1b[ -/]*[0-~]?" +
    "|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|[\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff])",
  "(?<separator>[\\u2028\\u2029])",
  "(?<text>[^\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2028\\u2029\\u2066-\\u2069\\ufeff]+)",
].join("|"), "g");
const UNFINISHED = /\r$|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?)?$/; // may go on in the next piece
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const WEIGHTS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline" };
const WEIGHTS_OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"] };
const MARKED = /^##\[(error|warning|section|command|group|endgroup|debug)\]/;
const PROGRESS = /^##vso\[task\.setprogress ([^\]]*)\](.*)$/i;
const PERCENT = /^\s*value\s*=\s*([0-9]{1,9})\s*$/i;
const ESCAPED = /%(?:3B|0D|0A|5D|25|AZP25)/gi;
const ESCAPES = { "%3B": ";", "%0D": " ", "%0A": " ", "%5D": "]", "%25": "%", "%AZP25": "%" };
const LINE = /^#L([1-9][0-9]{0,15})$/;
const MOST_LINES = 20_000;
const LONGEST_HELD = 4096;

class Screen {
  constructor(list, firstLine) {
    this.list = list;
    this.firstLine = firstLine;
    this.held = "";
    this.weights = [];
    this.colour = { fg: "", bg: "" };
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.next = this.firstLine;
    this.shown = 0;
    this.line = this.group = null;
    this.startsAnew = false;
  }

  feed(piece) {
    let text = this.held + piece;
    this.held = UNFINISHED.exec(text)?.[0] ?? "";
    if (this.held.length > LONGEST_HELD) this.held = "";
    if (this.held) text = text.slice(0, -this.held.length);
    for (const { groups } of text.matchAll(TOKEN)) this.take(groups);
    this.line?.draw();
  }

  take({ sgr, newline, cr, separator, text }) {
    if (text !== undefined) this.write(text);
    else if (separator !== undefined) this.write(" ");
    else if (newline !== undefined) this.close();
    else if (cr !== undefined) this.startsAnew = true;
    else if (sgr !== undefined) this.restyle(sgr.slice(0, 64).split(/[;:]/).map(Number));
  }

  open() {
    const line = new Line(this.next);
    this.next += 1;
    this.shown += 1;
    (this.group?.list ?? this.list).append(line.item);
    while (this.shown > MOST_LINES && this.list.firstElementChild !== this.group?.item) {
      this.shown -= 1 + this.list.firstElementChild.querySelectorAll("li").length;
      this.list.firstElementChild.remove();
    }
    return line;
  }

  write(text) {
    this.line ??= this.open();
    if (this.startsAnew) { this.line.spans = []; this.startsAnew = false; }
    this.line.write(text, [...this.weights, this.colour.fg, this.colour.bg].filter(Boolean).join(" "));
  }

  close() {
    const line = this.line ?? this.open();
    const mark = line.draw();
    tellProgress(line.spans.map(({ text }) => text).join(""));
    if (mark === "group" || mark === "endgroup") this.regroup(line, mark);
    else if (mark === "error" && this.group) this.group.hasError = true;
    this.line = null;
    this.startsAnew = false;
  }

  // A group is folded when it has ended, unless it has an error in it.
  regroup(line, mark) {
    if (this.group) this.group.details.open = Boolean(this.group.hasError);
    this.group = null;
    if (mark === "endgroup") { line.item.remove(); this.shown -= 1; } else { this.list.append(line.item); this.group = line.fold(); }
  }

  restyle(codes) {
    for (let i = 0; i < codes.length; i += 1) {
      const code = codes[i];
      if (code === 38 || code === 48) {
        const name = codes[i + 1] === 5 && codes[i + 2] < 16 ? sixteen(codes[i + 2]) : "";
        this.paint(code === 38 ? "fg" : "bg", name);
        i += codes[i + 1] === 5 ? 2 : codes[i + 1] === 2 ? 4 : 1;
      } else this.set(code);
    }
  }

  set(code) {
    const [ten, one] = [Math.trunc(code / 10), code % 10];
    if (code === 0) { this.weights = []; this.colour = { fg: "", bg: "" }; }
    else if (WEIGHTS[code]) this.weights = [...this.weights.filter((w) => w !== WEIGHTS[code]), WEIGHTS[code]];
    else if (WEIGHTS_OFF[code]) this.weights = this.weights.filter((w) => !WEIGHTS_OFF[code].includes(w));
    else if (code === 39) this.paint("fg", "");
    else if (code === 49) this.paint("bg", "");
    else if ([3, 4, 9, 10].includes(ten) && one < 8) {
      this.paint(ten === 3 || ten === 9 ? "fg" : "bg", (code >= 90 ? "bright-" : "") + COLOURS[one]);
    }
  }

  paint(side, name) { this.colour[side] = name ? `${side}-${name}` : ""; }
}

class Line {
  constructor(number) {
    this.spans = [];
    this.item = element("li", "");
    this.item.id = `L${number}`;
    this.number = element("a", "no", String(number));
    this.number.href = `#L${number}`;
    if (location.hash === this.number.hash) this.item.classList.add("target");
    this.item.append(this.number);
  }

  write(text, look) {
    const last = this.spans.at(-1);
    if (last?.look === look) last.text += text;
    else this.spans.push({ text, look });
  }

  // Its mark, which is told by a word, too, so that colour never speaks alone.
  draw() {
    const [prefix, mark] = MARKED.exec(this.spans.map(({ text }) => text).join("")) ?? ["", ""];
    if (mark) this.item.classList.add(`mark-${mark}`);
    this.item.replaceChildren(this.number, ...(mark ? [element("b", "word", mark)] : []), ...this.drawn(prefix.length));
    return mark;
  }

  drawn(left) {
    const nodes = [];
    for (const { text, look } of this.spans) {
      if (text.length > left) nodes.push(look ? element("span", look, text.slice(left)) : text.slice(left));
      left = Math.max(0, left - text.length);
    }
    return nodes;
  }

  fold() {
    const [details, summary, list] = ["details", "summary", "ol"].map((name) => document.createElement(name));
    const title = this.drawn("##[group]".length);
    summary.append(this.number, ...(title.length ? title : ["group"]));
    details.append(summary, list);
    details.open = true;
    this.item.replaceChildren(details);
    return { item: this.item, details, list, hasError: false };
  }
}

function element(name, look, text = "") {
  const made = document.createElement(name);
  if (look) made.className = look;
  made.textContent = text;
  return made;
}

function sixteen(index) { return (index >= 8 ? "bright-" : "") + COLOURS[index % 8]; }

// As step_progress.py finds it: what a running step said last about how far it is.
function tellProgress(line) {
  const at = line.indexOf("##vso[");
  const [, told, message] = (at >= 0 && PROGRESS.exec(line.slice(at))) || [];
  const percent = told?.split(";").map((part) => PERCENT.exec(part)?.[1]).filter(Boolean).at(-1);
  const shown = document.querySelector("#progress");
  if (!percent || !shown) return;
  const value = Math.min(100, Number(percent));
  const doing = message.replace(ESCAPED, (escape) => ESCAPES[escape.toUpperCase()]).slice(0, 200);
  shown.querySelector("progress").value = value;
  shown.querySelector("span").textContent = doing ? `${value}%: ${doing}` : `${value}%`;
  shown.hidden = false;
}

function follow(log) {
  const toggle = document.querySelector("#follow");
  const state = document.querySelector("#log-state");
  const screen = new Screen(log.querySelector("ol"), Number(log.dataset.firstLine));
  const toEnd = () => { if (toggle.checked) log.scrollTop = log.scrollHeight; };
  const source = new EventSource(log.dataset.stream);
  let isFirst = true;
  let wanted = LINE.exec(location.hash)?.[0];
  if (wanted) toggle.checked = false;
  source.onmessage = ({ data }) => {
    if (isFirst) { screen.clear(); isFirst = false; }
    screen.feed(JSON.parse(data));
    toEnd();
    if (wanted && show(wanted)) wanted = undefined;
  };
  source.onopen = () => { state.textContent = "Live"; };
  source.onerror = () => { state.textContent = source.readyState === EventSource.CLOSED ? "Stopped" : "Reconnecting…"; };
  source.addEventListener("end", () => { source.close(); state.textContent = "Complete"; document.querySelector("#progress")?.remove(); });
  toggle.addEventListener("change", toEnd);
  log.addEventListener("wheel", ({ deltaY }) => { if (deltaY < 0) toggle.checked = false; }, { passive: true });
  toEnd();
}

// Bring the line that the address names into view; whether it is there.
function show(hash) {
  const line = document.querySelector(hash);
  for (let group = line?.closest("details"); group; group = group.parentElement.closest("details")) group.open = true;
  line?.scrollIntoView({ block: "center" });
  return Boolean(line);
}

// A line that stands before those shown has a page of its own.
function findEarlier(log) {
  const number = Number(LINE.exec(location.hash)?.[1]);
  if (number < Number(log.dataset.firstLine)) location.replace(`?from_line=${Math.max(1, number - 20)}#L${number}`);
}

for (const controls of document.querySelectorAll(".needs-script[hidden]")) controls.hidden = false;
for (const log of document.querySelectorAll("[data-stream]")) { findEarlier(log); follow(log); }
