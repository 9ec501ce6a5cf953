// Follow a step's log as it is written. Colours become class names, every other control is dropped: the same rules as
// terminal.py, which renders the page for those without script.
const TOKEN = new RegExp([
  "\\x1b\\[(?<sgr>[0-9;:]*)m",
  "(?<newline>\\r?\\n)",
  "(?<cr>\\r)",
  "(?<control>\\x1b\\[[0-?]*[ -/]*[@-~]|\\x1b[\\]PX^_][^\\x07\\x1b\\n]*(?:\\x07|\\x1b\\\\)?|\\x1b[ -/]*[0-~]?" +
    "|[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]|[\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufeff])",
  "(?<separator>[\\u2028\\u2029])",
  "(?<text>[^\\x00-\\x08\\x0a-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2028\\u2029\\u2066-\\u2069\\ufeff]+)",
].join("|"), "g");
const UNFINISHED = /\r$|\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\n]*\x1b?)?$/; // may go on in the next piece
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const WEIGHTS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline" };
const WEIGHTS_OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"] };
const MARKED = /^##\[(error|warning|section|command|group|debug)\]/;
const MOST_LINES = 20_000;
const LONGEST_HELD = 4096;

class Screen {
  constructor(list) {
    this.list = list;
    this.held = "";
    this.weights = [];
    this.colour = { fg: "", bg: "" };
    this.clear();
  }

  clear() { this.list.replaceChildren(); this.line = null; this.startsAnew = false; }

  feed(piece) {
    let text = this.held + piece;
    this.held = UNFINISHED.exec(text)?.[0] ?? "";
    if (this.held.length > LONGEST_HELD) this.held = "";
    if (this.held) text = text.slice(0, -this.held.length);
    for (const { groups } of text.matchAll(TOKEN)) this.take(groups);
  }

  take({ sgr, newline, cr, separator, text }) {
    if (text !== undefined) this.write(text);
    else if (separator !== undefined) this.write(" ");
    else if (newline !== undefined) { this.line ??= this.open(); this.line = null; this.startsAnew = false; }
    else if (cr !== undefined) this.startsAnew = true;
    else if (sgr !== undefined) this.restyle(sgr.slice(0, 64).split(/[;:]/).map(Number));
  }

  open() {
    const line = this.list.appendChild(document.createElement("li"));
    if (this.list.childElementCount > MOST_LINES) { this.list.firstElementChild.remove(); this.list.start += 1; }
    return line;
  }

  write(text) {
    this.line ??= this.open();
    if (this.startsAnew) { this.line.replaceChildren(); this.startsAnew = false; }
    const classes = [...this.weights, this.colour.fg, this.colour.bg].filter(Boolean).join(" ");
    if (classes) {
      const span = document.createElement("span");
      span.className = classes;
      span.textContent = text;
      this.line.append(span);
    } else this.line.append(text);
    const mark = MARKED.exec(this.line.textContent)?.[1];
    if (mark) this.line.className = `mark-${mark}`;
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

function sixteen(index) { return (index >= 8 ? "bright-" : "") + COLOURS[index % 8]; }

function follow(log) {
  const toggle = document.querySelector("#follow");
  const state = document.querySelector("#log-state");
  const screen = new Screen(log.querySelector("ol"));
  const toEnd = () => { if (toggle.checked) log.scrollTop = log.scrollHeight; };
  const source = new EventSource(log.dataset.stream);
  let isFirst = true;
  source.onmessage = ({ data }) => {
    if (isFirst) { screen.clear(); isFirst = false; }
    screen.feed(JSON.parse(data));
    toEnd();
  };
  source.onopen = () => { state.textContent = "Live"; };
  source.onerror = () => { state.textContent = source.readyState === EventSource.CLOSED ? "Stopped" : "Reconnecting…"; };
  source.addEventListener("end", () => { source.close(); state.textContent = "Complete"; });
  toggle.addEventListener("change", toEnd);
  log.addEventListener("wheel", ({ deltaY }) => { if (deltaY < 0) toggle.checked = false; }, { passive: true });
  toEnd();
}

for (const controls of document.querySelectorAll(".needs-script[hidden]")) controls.hidden = false;
for (const log of document.querySelectorAll("[data-stream]")) follow(log);
