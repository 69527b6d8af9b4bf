// Plots of a run, or of several: data from the page's own endpoint, drawn by Plotly, each with a table beside it.

import * as intervals from "./intervals.js";
import * as linked from "./points.js";

const root = document.getElementById("plots");
const SERIES = ["--series-1", "--series-2", "--series-3", "--series-4"];
const TABLE_ROWS = 100;
let latest = [];
let shownStep = null;

/** A custom property as a colour Plotly understands: the browser resolves light-dark(). */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function axis(title, ink, grid, more = {}) {
  return {
    title: { text: title, font: { size: 12, color: ink }, standoff: 10 },
    tickfont: { size: 11, color: ink }, gridcolor: grid, linecolor: grid, zerolinecolor: grid,
    automargin: true, fixedrange: true, exponentformat: "e", ...more,
  };
}

function layout(plot) {
  const ink = colour("--ink-2");
  const grid = colour("--line");
  const surface = colour("--surface");
  const made = {
    margin: { l: 48, r: 12, t: 8, b: 40 }, height: 260 + 22 * Math.max(0, plot.series.length - 2), autosize: true,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
    hovermode: plot.link ? "closest" : "x unified", hoverlabel: { bgcolor: surface, bordercolor: grid, font: { color: colour("--ink") } },
    showlegend: plot.series.length > 1, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 12 } },
    xaxis: axis(plot.x, ink, grid), yaxis: axis(plot.y, ink, grid, plot.yrange ? { range: plot.yrange } : {}),
    bargap: 0.04,
  };
  if (plot.y2) made.yaxis2 = axis(plot.y2, ink, grid, {
    overlaying: "y", side: "right", showgrid: false, range: [0, 1.03 * plot.y2max], tickformat: ",d",
    ...(plot.y2max < 6 ? { tickmode: "linear", tick0: 0, dtick: 1 } : { tickmode: "auto", nticks: 6 }),
  });
  return plot.table ? intervals.shape(plot, made) : made;
}

function traces(plot) {
  return plot.series.map((series, index) => {
    const x = series.points.map((point) => point[0]);
    const y = series.points.map((point) => point[1]);
    const place = series.place ?? index; // a run keeps its colour where another one has no such curve
    const tone = colour(SERIES[place % SERIES.length]);
    const dashed = (place + Math.floor(place / SERIES.length)) % 2; // eight lines, no two alike
    if (series.kind === "interval") return intervals.trace(plot, series, tone, colour("--ink-2"), dashed);
    if (series.kind === "points") return linked.trace(series, place, tone);
    if (series.kind === "bar") {
      return { type: "bar", name: series.name, x, y, width: series.width, yaxis: "y2", marker: { color: colour("--series-bar") }, hovertemplate: "%{y:,}" };
    }
    const few = x.length < 25;
    return {
      type: "scatter", mode: few ? "lines+markers" : "lines", name: series.name, x, y,
      line: { color: tone, width: 2, dash: dashed ? "dash" : "solid" }, marker: { size: 5 }, hovertemplate: "%{y:.4g}",
    };
  });
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function figureOf(plot) {
  let figure = document.getElementById(`plot-${plot.id}`);
  if (figure) return figure;
  figure = element("figure", plot.tall ? "plot plot--whole card" : "plot card");
  figure.id = `plot-${plot.id}`;
  const caption = element("figcaption", "plot__caption");
  caption.append(element("h3", "", plot.title));
  const canvas = element("div", "plot__canvas");
  canvas.setAttribute("role", "img");
  const table = element("details", "more plot__table");
  table.append(element("summary", "", "Data table"), element("div", "table-wrap"));
  table.addEventListener("toggle", () => fillTable(figure));
  figure.append(caption, canvas, ...(plot.about ? [element("p", "plot__about muted small", plot.about)] : []), table);
  (plot.wide ? document.getElementById("margin-accuracy") ?? root : root).append(figure);
  return figure;
}

/** What the table says, a list of cells a row: of lines, the values at each x; of linked points, each of them. */
function tableRows(plot) {
  if (plot.table) return plot.table.rows;
  if (plot.link) return linked.rows(plot);
  const rows = new Map();
  plot.series.forEach((series, index) => series.points.forEach(([x, y]) => {
    if (!rows.has(x)) rows.set(x, Array(plot.series.length).fill(null));
    rows.get(x)[index] = y;
  }));
  const sorted = [...rows].sort((a, b) => a[0] - b[0]);
  const stride = Math.ceil(sorted.length / TABLE_ROWS);
  return sorted.filter((_, index) => index % stride === 0 || index === sorted.length - 1).map(([x, values]) => [x, ...values]);
}

function tableCell(plot, value) {
  if (typeof value !== "string") return element("td", "num", value === null ? "–" : Number(value.toPrecision(4)).toString());
  if (!plot.link) return element("td", "", value);
  const cell = element("td", "nowrap");
  const link = element("a", "mono", value.slice(0, 12));
  link.href = linked.address(plot, value);
  cell.append(link);
  return cell;
}

function fillTable(figure) {
  const details = figure.querySelector("details");
  const plot = latest.find((one) => `plot-${one.id}` === figure.id);
  if (!details.open || !plot) return;
  const heads = plot.table ? plot.table.heads : plot.link ? [plot.linked, plot.x, plot.y] : [plot.x, ...plot.series.map((series) => series.name)];
  const table = element("table", "table");
  const caption = element("caption", "visually-hidden", plot.table ? plot.title : `${plot.title}, ${plot.y}, by ${plot.x}`);
  const head = element("tr");
  heads.forEach((name, place) => {
    const cell = element("th", (plot.link || plot.table) && place === 0 ? "" : "num", name);
    cell.scope = "col";
    head.append(cell);
  });
  const body = element("tbody");
  for (const values of tableRows(plot)) {
    const row = element("tr");
    row.append(...values.map((value) => tableCell(plot, value)));
    body.append(row);
  }
  const thead = element("thead");
  thead.append(head);
  table.append(caption, thead, body);
  const wrap = details.querySelector(".table-wrap");
  wrap.tabIndex = 0;
  wrap.setAttribute("role", "region");
  wrap.setAttribute("aria-label", `Data of ${plot.title}`);
  wrap.replaceChildren(table);
}

function describe(plot) {
  if (plot.table) return `${plot.title}, with intervals. The data table below has the values.`;
  if (plot.link) {
    const counts = plot.series.map((series) => `${series.points.length} ${series.name}`).join(", ");
    return `${plot.title}: ${counts}. The data table below has the values, and links to what each point stands for.`;
  }
  const ends = plot.series.filter((series) => series.kind !== "bar" && series.points.length).map((series) => {
    const [x, y] = series.points.at(-1);
    return `${series.name} ${Number(y.toPrecision(3))} at ${plot.x} ${Number(x.toPrecision(3))}`;
  });
  return `${plot.title}, ${plot.y}. Latest: ${ends.join("; ")}. The data table below has the values.`;
}

async function draw(plots) {
  latest = plots;
  root.querySelector("[data-empty]")?.toggleAttribute("hidden", plots.some((plot) => !plot.wide));
  const shown = plots.filter((plot) => !plot.wide || document.getElementById("margin-accuracy"));
  shown.forEach(figureOf); // all places are taken before anything is drawn to fit its own
  for (const plot of shown) {
    const figure = figureOf(plot);
    const canvas = figure.querySelector(".plot__canvas");
    canvas.setAttribute("aria-label", describe(plot));
    await window.Plotly.react(canvas, traces(plot), layout(plot), { displayModeBar: false, responsive: true });
    if (plot.link) linked.follow(canvas, plot);
    fillTable(figure);
  }
}

async function refresh() {
  const answer = await fetch(root.dataset.url, { headers: { Accept: "application/json" } });
  if (answer.ok) await draw((await answer.json()).plots);
}

function changed() {
  const live = document.getElementById("run-live");
  const now = `${live?.dataset.step} ${live?.dataset.state} ${Boolean(document.getElementById("margin-accuracy"))}`;
  if (now === shownStep) return;
  shownStep = now;
  refresh().catch(() => { shownStep = null; });
}

/** The log stays at its end while somebody reads the end. */
function followLog(event) {
  const log = event.target;
  if (log.id !== "log") return;
  if (event.type === "htmx:beforeSwap") log.dataset.atEnd = String(log.scrollHeight - log.scrollTop - log.clientHeight < 24);
  else if (log.dataset.atEnd !== "false") log.scrollTop = log.scrollHeight;
}

if (root) {
  document.addEventListener("htmx:beforeSwap", followLog);
  document.addEventListener("htmx:afterSwap", followLog);
  document.addEventListener("htmx:afterSettle", changed);
  const redraw = () => draw(latest);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  changed();
}
