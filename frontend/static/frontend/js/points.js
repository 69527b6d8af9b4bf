// Scatter plots whose points stand for something: a click opens it, and so does a link in the table beside.

const SYMBOLS = ["circle", "x"];

/** A trace of points, each with the id of what it stands for. Series differ in symbol as well as in colour. */
export function trace(series, place, tone) {
  return {
    type: "scatter", mode: "markers", name: series.name,
    x: series.points.map((point) => point[0]), y: series.points.map((point) => point[1]), customdata: series.ids,
    marker: { color: tone, size: 6, opacity: 0.6, symbol: SYMBOLS[place % SYMBOLS.length] },
    hovertemplate: "%{x:.4g}, %{y:.4g}<extra></extra>",
  };
}

/** The address of what a point stands for. */
export function address(plot, id) {
  return plot.link.replace("/ID/", `/${encodeURIComponent(id)}/`);
}

/** Have clicks on a drawn plot open what its points stand for. Once a canvas: Plotly keeps the listeners. */
export function follow(canvas, plot) {
  canvas.linkedPlot = plot;
  if (canvas.dataset.linked) return;
  canvas.dataset.linked = "1";
  canvas.on("plotly_click", ({ points, event }) => {
    const to = address(canvas.linkedPlot, points[0].customdata);
    if (event.ctrlKey || event.metaKey) window.open(to, "_blank", "noopener");
    else location.assign(to);
  });
  canvas.on("plotly_hover", () => canvas.classList.add("plot__canvas--linked"));
  canvas.on("plotly_unhover", () => canvas.classList.remove("plot__canvas--linked"));
}

/** The points as rows [id, x, y], the lowest y first. */
export function rows(plot) {
  return plot.series
    .flatMap((series) => series.points.map(([x, y], place) => [series.ids[place], x, y]))
    .sort((a, b) => a[2] - b[2]);
}
