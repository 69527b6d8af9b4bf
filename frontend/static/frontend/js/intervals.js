// Means with intervals: a method a point, controls in grey, or a line a method over settings.

/** A method's name in lines that leave room for its figure on a phone. */
const wrapped = (name) => name.replace(/(.{16,}?) (?=.{4})/g, "$1<br>");

/** A trace; `tone` and `grey` are colours, `dashed` sets every second of several lines apart. */
export function trace(plot, series, tone, grey, dashed) {
  const colour = series.control ? grey : tone;
  const bars = (halves) => (halves ? { type: "data", array: halves, thickness: 1, width: 3, color: colour } : undefined);
  return {
    type: "scatter", name: series.name, mode: series.joined ? "lines+markers" : series.texts && !series.control ? "markers+text" : "markers",
    x: series.points.map((point) => point[0]), y: series.points.map((point) => (plot.order ? wrapped(point[1]) : point[1])),
    error_x: bars(series.dx), error_y: bars(series.dy), text: series.texts,
    textposition: "top center", textfont: { size: 11, color: colour }, cliponaxis: false,
    marker: { color: colour, size: 8, symbol: series.control ? "diamond-open" : "circle" },
    line: { color: colour, width: 2, dash: dashed && series.joined ? "dash" : "solid" },
    hovertemplate: series.texts ? "%{text}: %{x:.4g}, %{y:.4g}<extra></extra>" : "%{x}, %{y}<extra></extra>",
  };
}

/** What such a plot's layout has other than a run's curves: room for its methods, and their order. */
export function shape(plot, made) {
  made.hovermode = "closest";
  if (plot.order) {
    made.height = 120 + 34 * plot.order.length;
    Object.assign(made.yaxis, { categoryorder: "array", categoryarray: plot.order.map(wrapped), type: "category" });
    made.xaxis.nticks = 5;
  }
  if (plot.tall) made.height = 440 + 11 * plot.series.length;
  return made;
}
