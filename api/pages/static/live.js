// Keep a page fresh while what it shows is not final: fetch it again and swap the parts that changed, one by one.
// Scroll, focus, opened details and text being typed or selected stay as they are.
const EVERY = 2000;
const main = document.querySelector("main");
const served = new WeakMap(); // how a part stood in the page it came with

function isInUse(part) {
  const field = document.activeElement;
  if (part.contains(field) && field.matches("input, textarea, select, form button")) return true;
  const typed = [...part.querySelectorAll("input:not([type=hidden]), textarea")];
  if (typed.some((one) => one.value !== one.defaultValue)) return true;
  const selection = getSelection();
  return !selection.isCollapsed && part.contains(selection.anchorNode);
}

function keepOpened(old, fresh) {
  for (const details of old.querySelectorAll("details[id]")) {
    const again = fresh.querySelector(`#${CSS.escape(details.id)}`);
    if (again) again.open = details.open;
  }
}

function announce(part) { part.dispatchEvent(new Event("fresh", { bubbles: true })); }

function swap(old, fresh) {
  if (isInUse(old) || served.get(old) === fresh.outerHTML) return;
  const source = fresh.outerHTML;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  keepOpened(old, fresh);
  old.replaceWith(fresh);
  announce(fresh);
  served.set(fresh, source);
  for (const log of fresh.querySelectorAll(".log.peek")) log.scrollTop = log.scrollHeight;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function apply(page) {
  const fresh = page.querySelector("main");
  if (!fresh) return;
  const parts = [...main.querySelectorAll("[data-part]")];
  const renewed = [...fresh.querySelectorAll("[data-part]")];
  const same = parts.length === renewed.length && parts.every((part, i) => part.id === renewed[i].id);
  if (same) parts.forEach((part, i) => swap(part, renewed[i]));
  else if (!isInUse(main)) {
    keepOpened(main, fresh);
    main.replaceChildren(...fresh.childNodes);
    announce(main);
  }
  if (!fresh.hasAttribute("data-live")) main.removeAttribute("data-live");
}

async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (answer.ok) apply(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* The server is away for a moment; the next round asks again. */ }
  }
  if (main.hasAttribute("data-live")) setTimeout(refresh, EVERY);
}

if (main?.hasAttribute("data-live")) {
  document.querySelector(".reload")?.setAttribute("hidden", "");
  setTimeout(refresh, EVERY);
}
for (const log of document.querySelectorAll(".log.peek")) log.scrollTop = log.scrollHeight;
