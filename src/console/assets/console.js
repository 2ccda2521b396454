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

/** A colour of the style sheet, for what is drawn. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Draws each plot from its table, whose rows begin with a time and have their value in a `data`. */
function drawPlots(root) {
  for (const figure of root.querySelectorAll("[data-plot]")) {
    const numbers = figure.querySelector("[data-numbers]");
    const rows = [...figure.querySelectorAll("tbody tr")].map((row) => [
      Date.parse(row.querySelector("time").dateTime) / 1_000,
      Number(row.querySelector("data").value),
    ]);
    if (rows.length === 0 || globalThis.uPlot === undefined) continue;
    numbers.open = false;
    const canvas = document.createElement("div");
    canvas.className = "drawn";
    figure.insertBefore(canvas, numbers);
    drawBars(canvas, rows, figure.dataset.unit);
  }
}

/** Times on the axis, in UTC: the hour within a day, else the date. */
function nameTimes(_plot, splits, _axis, _space, stepSeconds) {
  return splits.map((seconds) => {
    const iso = new Date(seconds * 1_000).toISOString();
    const isWithinDay = stepSeconds < 86_400 && !iso.endsWith("T00:00:00.000Z");
    return isWithinDay ? iso.slice(11, 16) : iso.slice(5, 10);
  });
}

function drawBars(canvas, rows, unit) {
  const line = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--soft"), grid: line, ticks: line };
  const paddingPixels = 26;
  const size = () => ({ width: canvas.clientWidth - paddingPixels, height: 240 });
  const plot = new globalThis.uPlot(
    {
      ...size(),
      tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
      legend: { show: true },
      axes: [
        { ...axis, values: nameTimes },
        { ...axis, label: unit, size: 70 },
      ],
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max)] } },
      series: [
        { label: "From, UTC" },
        {
          label: unit,
          stroke: colour("--accent"),
          fill: colour("--accent"),
          paths: globalThis.uPlot.paths.bars({ size: [0.8, 60] }),
          points: { show: false },
        },
      ],
    },
    [rows.map(([at]) => at), rows.map(([, value]) => value)],
    canvas,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(canvas);
}

function take(root) {
  nameLocalTimes(root);
  noteArrival(root);
}

document.addEventListener("DOMContentLoaded", () => {
  take(document);
  drawPlots(document);
});
document.addEventListener("htmx:afterSwap", () => take(document));

setInterval(() => {
  if (document.visibilityState !== "visible") return;
  globalThis.htmx?.trigger(document.body, "renew");
  tellStaleness();
}, renewMs);
