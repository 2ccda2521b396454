// All that the pages do in the browser besides htmx. Without it each page works, and shows tables in place of plots.

/** How often the parts that renew themselves do so, while the page is seen. */
const renewMs = 2_000;
/** Figures older than this are said to be old. */
const staleMs = 8_000;

const localTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** Puts the reader's local time on hover. */
function nameLocalTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.getAttribute("datetime"));
    if (!Number.isNaN(at.getTime())) time.title = `${localTime.format(at)} (your time)`;
  }
}

/** Says that the figures are old when no answer has renewed them, and for how long. */
function tellStaleness() {
  for (const freshness of document.querySelectorAll("[data-arrived]")) {
    const ageMs = Date.now() - Number(freshness.dataset.arrived);
    const isStale = ageMs > staleMs;
    freshness.classList.toggle("stale", isStale);
    const note = freshness.querySelector(".age") ?? freshness.appendChild(document.createElement("strong"));
    note.className = "age";
    note.textContent = isStale
      ? ` No answer for ${Math.round(ageMs / 1_000)} s: these are the last figures.`
      : "";
  }
}

function noteArrival(root) {
  for (const freshness of root.querySelectorAll("[data-read-at]")) {
    freshness.dataset.arrived = String(Date.now());
  }
}

function take(root) {
  nameLocalTimes(root);
  noteArrival(root);
}

document.addEventListener("DOMContentLoaded", () => take(document));
document.addEventListener("htmx:afterSwap", () => take(document));

setInterval(() => {
  if (document.visibilityState !== "visible") return;
  globalThis.htmx?.trigger(document.body, "renew");
  tellStaleness();
}, renewMs);
