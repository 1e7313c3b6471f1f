// Draws each figure with plotly when the browser is idle, the visible ones first, and again after each change.

const { figures, colours } = JSON.parse(document.getElementById("figures").textContent);
const hidden = new Set();
const pending = new Set();
const CONFIG = { displayModeBar: false, responsive: false, scrollZoom: false, showTips: false, doubleClick: "reset" };
const schemeNow = () => (prefersDark.matches ? "dark" : "light");
let scheduled = false;
let scheme = schemeNow(); // the scheme of the drawn figures; root.dataset.drawn is set when all are drawn

const isShown = (name) => !hidden.has(name);

function sized(text, narrow) {
  return narrow ? text.replace(" ", "<br>") : text;
}

function barFigure(figure, width) {
  const layout = { ...figure.layout };
  const meta = layout.meta;
  const data = figure.data.filter((trace) => isShown(trace.meta));
  const names = [...new Set(data.flatMap((trace) => trace.y))];
  const narrow = width < 460 && widest(names) > 110;
  const ends = new Map();
  const labels = new Map();
  for (const trace of data) {
    if (meta.kind === "bars" && trace.type !== "bar") continue; // a whisker: the range of its bar includes it
    const name = trace.y[0];
    const reach = trace.x[trace.x.length - 1] + (trace.error_x ? trace.error_x.array[0] : 0);
    ends.set(name, (meta.kind === "bars" ? (ends.get(name) || 0) : 0) + reach);
    labels.set(name, trace.text || labels.get(name) || "");
  }
  const left = widest(narrow ? names.flatMap((name) => name.split(/ (.*)/s)) : names) + 14;
  const room = meta.kind === "bars" ? widest([...labels.values()]) + 14 : 12;
  const space = Math.max(60, width - left - 12);
  const most = Math.max(meta.at_least || 0, ...ends.values()) || 1;
  const end = Math.max(most / (1 - Math.min(0.6, room / space)), (meta.at_least || 0) * 1.02);
  if (meta.kind === "bars") {
    data.push({
      type: "scatter", mode: "text", cliponaxis: false, hoverinfo: "skip", textposition: "middle right",
      x: [...ends.values()], y: [...ends.keys()], text: [...labels.values()].map((text) => ` ${text}`),
      textfont: { color: "var(--ink)", size: 13 },
    });
    layout.annotations = (layout.annotations || []).map((item) =>
      item.x > end * 0.55 ? { ...item, xanchor: "right", xshift: 4 } : item);
  }
  layout.height = meta.frame + meta.each * Math.max(1, names.length);
  layout.margin = { l: left, r: 12, t: (layout.annotations || []).length ? 24 : 8, b: 44 };
  layout.xaxis = axis({
    ...layout.xaxis, nticks: Math.max(3, Math.round(space / 90)), ...(layout.xaxis.type !== "log" && { range: [0, end] }),
    showgrid: true, ...(layout.xaxis.type === "log" && logTicks(data.flatMap((trace) => trace.x))),
  });
  layout.yaxis = axis({
    ...layout.yaxis, categoryarray: names, tickvals: names, ticktext: names.map((name) => sized(name, narrow)),
    tickfont: { color: token("--ink"), size: 13 }, ticks: "", showgrid: meta.kind === "points",
  });
  return { data, layout };
}

function lineFigure(figure, width) {
  const layout = { ...figure.layout };
  const data = figure.data.filter((trace) => isShown(trace.meta));
  const lines = Math.ceil((data.length * 130) / Math.max(200, width));
  layout.height = 320 + 24 * lines;
  const ticks = logTicks(data.flatMap((trace) => trace.y));
  layout.margin = { l: widest(ticks.ticktext, 12) + 36, r: 14, t: 8, b: 60 + 24 * lines };
  layout.showlegend = true;
  layout.legend = { orientation: "h", x: 0, y: -60 / 280, yanchor: "top", itemclick: false, itemdoubleclick: false };
  layout.xaxis = axis(layout.xaxis);
  layout.yaxis = axis({ ...layout.yaxis, ...ticks });
  return { data: data.map((trace) => ({ ...trace, showlegend: true })), layout };
}

function draw(id) {
  const element = document.getElementById(id);
  const figure = figures[id];
  const width = element.clientWidth;
  if (!width) return; // inside a closed element: drawn when it opens
  const built = figure.timelines ? timelineFigure(id, figure, width, isShown)
    : figure.layout.meta.kind === "lines" ? lineFigure(figure, width) : barFigure(figure, width);
  const { data, layout } = resolved(built);
  if (!data.some((trace) => trace.meta)) {
    layout.annotations = [{ text: "Nothing is shown: choose a strategy above.", showarrow: false, xref: "paper", yref: "paper" }];
    layout.shapes = [];
    layout.height = 120;
  }
  Plotly.react(element, data, { ...baseLayout(), width, ...layout }, CONFIG);
  const ruled = document.getElementById("js-plotly-tester"); // the element in which plotly measures text
  if (ruled) ruled.setAttribute("aria-hidden", "true");
}

function distance(id) {
  const box = document.getElementById(id).getBoundingClientRect();
  return Math.max(0, box.top - innerHeight, -box.bottom);
}

function drawNext() {
  scheduled = false;
  const [id] = [...pending].sort((a, b) => distance(a) - distance(b));
  if (id === undefined) return;
  pending.delete(id);
  draw(id);
  if (pending.size) schedule();
  else root.dataset.drawn = scheme;
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  (window.requestIdleCallback || ((next) => setTimeout(next, 1)))(drawNext, { timeout: 200 });
}

function redraw(ids = Object.keys(figures)) {
  ids.forEach((id) => pending.add(id));
  delete root.dataset.drawn;
  scheme = schemeNow();
  schedule();
}

function drawAllNow() {
  Object.keys(figures).forEach(draw);
  pending.clear();
  root.dataset.drawn = schemeNow();
}
