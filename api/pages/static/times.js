// Times are served in UTC; show them in the viewer's zone and keep UTC as the tooltip.
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const ONE_DAY = 86400;

function distance(moment) {
  const seconds = Math.round((moment - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS.at(-1);
  return relative.format(Math.trunc(seconds / size), unit);
}

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const isNear = Math.abs(moment - Date.now()) < ONE_DAY * 1000;
    time.textContent = "near" in time.dataset && isNear ? distance(moment) : absolute.format(moment);
  }
}

localise(document);
document.addEventListener("fresh", ({ target }) => localise(target));
setInterval(() => localise(document), 30_000);
