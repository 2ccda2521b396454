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

/** What a table says of its plot: the times of its rows, and the columns that are drawn. An empty cell is a gap. */
function readTable(figure) {
  const rows = [...figure.querySelectorAll("tbody tr")];
  const numberIn = (row, column) => {
    const value = row.children[column].querySelector("data")?.value;
    return value === undefined ? null : Number(value);
  };
  return {
    times: rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1_000),
    series: [...figure.querySelectorAll("thead th")].flatMap((head, column) =>
      head.dataset.colour === undefined
        ? []
        : [
            {
              label: head.textContent,
              colour: colour(head.dataset.colour),
              values: rows.map((row) => numberIn(row, column)),
            },
          ],
    ),
  };
}

/** Tables that their reader has opened stay open when their part renews itself. */
const opened = new Set();

/** Draws each plot that is not drawn yet from its table, which is closed then. */
function drawPlots(root) {
  for (const figure of root.querySelectorAll("[data-plot]:not(:has(.drawn))")) {
    const numbers = figure.querySelector("[data-numbers]");
    const { plot: kind, unit } = figure.dataset;
    const table = readTable(figure);
    if (table.times.length === 0 || globalThis.uPlot === undefined) continue;
    const name = numbers.dataset.numbers;
    numbers.open = name !== "" && opened.has(name);
    numbers.addEventListener("toggle", () => (numbers.open ? opened.add(name) : opened.delete(name)));
    const canvas = document.createElement("div");
    canvas.className = "drawn";
    figure.insertBefore(canvas, numbers);
    drawPlot(canvas, table, { kind, unit });
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

/** A time in the legend, in UTC. */
function nameTime(_plot, seconds) {
  const isTime = seconds !== null && seconds !== undefined;
  return isTime ? new Date(seconds * 1_000).toISOString().slice(0, 16).replace("T", " ") : "–";
}

const plain = (value) => value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 2 : 0 });

/** A length of time in the largest unit that says enough. */
function asAge(seconds) {
  if (seconds < 120) return `${plain(seconds)} s`;
  if (seconds < 7_200) return `${plain(Math.round(seconds / 6) / 10)} min`;
  return seconds < 172_800 ? `${plain(seconds / 3_600)} h` : `${plain(seconds / 86_400)} d`;
}

/** Steps of the axis of ages, in seconds: so many seconds, minutes, hours and days. */
const ageSteps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];

/** How numbers of a unit stand on the axis and in the legend. */
const shownAs = {
  seconds: asAge,
  milliseconds: (value) => `${plain(value)} ms`,
  "°C": (value) => `${value.toFixed(1)} °C`,
};
/** Of amounts the axis begins at 0; of temperatures, where they do. */
const rangeOf = (unit, min, max) => {
  if (unit !== "°C") return [0, max > 0 ? max * 1.05 : 1];
  const margin = Math.max(0.5, (max - min) * 0.05);
  return [min - margin, max + margin];
};
/** So that lines are told apart without colours, too. */
const dashes = [[], [8, 4], [2, 4]];

/** Fills are told apart without colours by their hatching. */
function fillOf(tint, index) {
  if (index === 0) return tint;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = tint;
  pen.strokeStyle = colour("--card");
  pen.lineWidth = 2;
  pen.fillRect(0, 0, 8, 8);
  const lines = [[], [[0, 8, 8, 0]], [[0, 0, 8, 8]], [[0, 4, 8, 4]]][index % 4];
  for (const [fromX, fromY, toX, toY] of lines) {
    pen.beginPath();
    pen.moveTo(fromX, fromY);
    pen.lineTo(toX, toY);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
}

/** Each value on top of those of the series before it; a gap stays one. */
function stack(series) {
  const sums = [];
  return series.map(({ values }) =>
    values.map((value, row) => {
      if (value === null) return null;
      sums[row] = (sums[row] ?? 0) + value;
      return sums[row];
    }),
  );
}

/** The rows of a series whose neighbours are both gaps. */
function aloneIn(plot, series) {
  const values = plot.data[series];
  const isGap = (row) => values[row] === null || values[row] === undefined;
  return values.flatMap((_, row) => (isGap(row) || !isGap(row - 1) || !isGap(row + 1) ? [] : [row]));
}

function drawPlot(canvas, { times, series }, { kind, unit }) {
  const line = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--soft"), grid: line, ticks: line };
  const show = shownAs[unit] ?? plain;
  const isStacked = kind === "stacked";
  const drawn = isStacked ? stack(series) : series.map(({ values }) => values);
  const paths = kind === "lines" ? undefined : globalThis.uPlot.paths.bars({ size: [0.8, 60] });
  // Bars stand in the middle of their time, and one time alone would have no length to be shown in.
  const isOne = times.length === 1;
  const stepSeconds = isOne ? 86_400 : times[1] - times[0];
  const edgeSeconds = paths === undefined && !isOne ? 0 : stepSeconds / 2;
  const described = series.map(({ label, colour: tint, values }, index) => ({
    label,
    stroke: tint,
    ...(paths === undefined
      ? { width: 2, dash: dashes[index % dashes.length] }
      : { fill: fillOf(tint, index), paths, width: 0 }),
    // A line has no length at a value between two gaps.
    points: { show: isOne && paths === undefined, filter: paths === undefined ? aloneIn : undefined },
    value: (_plot, _drawn, _series, row) =>
      row === null || row === undefined || values[row] === null ? "–" : show(values[row]),
  }));
  // The tallest bars are drawn first, so that the others stand before them.
  const order = series.map((_, index) => (isStacked ? series.length - 1 - index : index));
  const paddingPixels = 26;
  const size = () => ({ width: canvas.clientWidth - paddingPixels, height: 220 });
  const plot = new globalThis.uPlot(
    {
      ...size(),
      tzDate: (seconds) => globalThis.uPlot.tzDate(new Date(seconds * 1_000), "UTC"),
      legend: { show: true },
      // The latest figures stand in the legend until the reader points at others.
      hooks: {
        setLegend: [
          (drawnPlot) => {
            const { idx } = drawnPlot.legend;
            if (idx === null || idx === undefined) drawnPlot.setLegend({ idx: times.length - 1 }, false);
          },
        ],
      },
      axes: [
        { ...axis, values: nameTimes },
        {
          ...axis,
          label: unit,
          size: 74,
          values: (_plot, splits) => splits.map(show),
          ...(unit === "seconds" && { incrs: ageSteps }),
        },
      ],
      scales: {
        x: {
          range: (_plot, min, max) => [
            (isOne ? times[0] : min) - edgeSeconds,
            (isOne ? times[0] : max) + edgeSeconds,
          ],
        },
        y: { range: (_plot, min, max) => rangeOf(unit, min, max) },
      },
      series: [{ label: "From, UTC", value: nameTime }, ...order.map((index) => described[index])],
    },
    [times, ...order.map((index) => drawn[index])],
    canvas,
  );
  new ResizeObserver(() => plot.setSize(size())).observe(canvas);
}

/** What had the keyboard's focus in a part that is about to be replaced, and the part. */
let focused;

/** What an element that can have the focus is called, in this version of its part and the next. */
function calledAs(element) {
  const words = element.getAttribute("href") ?? element.getAttribute("aria-label") ?? element.textContent;
  return `${element.tagName} ${words}`;
}

function noteFocus(part) {
  const active = document.activeElement;
  focused =
    active !== null && part.contains(active) ? { partId: part.id, called: calledAs(active) } : undefined;
}

/** The keyboard stays where it was when a part renews itself. */
function giveFocusBack() {
  const part = focused === undefined ? null : document.getElementById(focused.partId);
  if (part === null || part.contains(document.activeElement)) return;
  const all = [...part.querySelectorAll("a[href], button, summary, [tabindex]")];
  all.find((element) => calledAs(element) === focused.called)?.focus({ preventScroll: true });
}

function take(root) {
  nameLocalTimes(root);
  noteArrival(root);
}

document.addEventListener("DOMContentLoaded", () => {
  take(document);
  drawPlots(document);
});
document.addEventListener("htmx:beforeSwap", ({ detail: { target } }) => noteFocus(target));
document.addEventListener("htmx:afterSwap", () => {
  take(document);
  drawPlots(document);
  giveFocusBack();
});

setInterval(() => {
  if (document.visibilityState !== "visible") return;
  globalThis.htmx?.trigger(document.body, "renew");
  tellStaleness();
}, renewMs);
