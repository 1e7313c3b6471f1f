// The traced runs: one line for each attempt, thin while it waits in the queue, thicker until its first byte,
// and thickest until its end. There are small panels side by side on a common scale, or one panel.

const state = { only: new Map(), order: new Map() }; // by figure; the default is all panels, ordered by start

function orderOf(run, byWorker) {
  const places = run.started.map((_, place) => place);
  if (byWorker) places.sort((a, b) => run.worker[a] - run.worker[b] || a - b);
  return places;
}

// All lines of one kind as one path, because one element per line would make thousands of elements.
function stroke(places, from, to, suffix, look) {
  const path = places.map((place, line) => (to(place) > from(place) ? `M${from(place)},${line}L${to(place)},${line}` : "")).join("");
  return path && { type: "path", path, layer: "between", xref: `x${suffix}`, yref: `y${suffix}`, ...look };
}

// The attempts of one run as three strokes. `least`: seconds that are two pixels, so that what is shorter is seen at all.
function strokes(run, places, suffix, pixels, least) {
  const thick = Math.max(1, Math.min(9, (pixels / Math.max(1, places.length)) * 0.82));
  const look = (width, opacity) => ({ opacity, line: { color: colours[run.name], width } });
  const started = (place) => run.started[place];
  const head = (place) => run.head[place] || run.ended[place];
  const ended = (place) => run.ended[place];
  return [
    stroke(places, (place) => run.since[place], started, suffix, look(Math.max(0.6, thick * 0.3), 0.3)),
    stroke(places, started, head, suffix, look(Math.max(1, thick * 0.6), 0.6)),
    stroke(places, (place) => Math.min(head(place), ended(place) - least), ended, suffix, look(thick, 1)),
  ].filter(Boolean);
}

// The texts at the pointer, and the crosses of attempts that are not complete.
function points(run, places, suffix) {
  const lines = places.map((_, line) => line);
  const failed = lines.filter((line) => run.mishap[places[line]]);
  const text = places.map((place) => hoverText(run, place));
  const on = { type: "scatter", xaxis: `x${suffix}`, yaxis: `y${suffix}`, meta: run.name };
  return [
    {
      ...on, mode: "none", hoverinfo: "text", hovertext: [...text, ...text], y: [...lines, ...lines],
      x: [...places.map((place) => run.started[place]), ...places.map((place) => run.ended[place])],
    },
    {
      ...on, mode: "markers", hoverinfo: "skip", y: failed, x: failed.map((line) => run.ended[places[line]]),
      marker: { symbol: "x", size: 8, color: "var(--ink)", line: { color: "var(--surface)", width: 1 } },
    },
  ];
}

function hoverText(run, place) {
  const at = (value) => `${value.toFixed(3)} s`;
  const head = run.head[place] ? `first byte ${at(run.head[place])}` : "no answer";
  const text = `${escaped(run.file[place])}, attempt ${run.number[place]}, ${escaped(run.workers[run.worker[place]])}`;
  return `${text}<br>started ${at(run.started[place])}, ${head}, ended ${at(run.ended[place])}` +
    (run.mishap[place] ? `<br><b>${escaped(run.mishap[place])}</b>` : "");
}

function escaped(text) {
  return String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

// The first and the last line of each worker, if the lines are ordered by worker.
function lanesOf(run, places) {
  const lanes = [];
  places.forEach((place, line) => {
    const lane = lanes[lanes.length - 1];
    if (lane && lane.worker === run.worker[place]) lane.last = line;
    else lanes.push({ worker: run.worker[place], first: line, last: line });
  });
  return lanes;
}

// A band behind the lines of every second worker.
function bands(lanes, suffix) {
  return lanes.filter((lane, place) => place % 2 === 0).map((lane) => ({
    type: "rect", layer: "below", line: { width: 0 }, fillcolor: "var(--band)", xref: `x${suffix} domain`,
    yref: `y${suffix}`, x0: 0, x1: 1, y0: lane.first - 0.5, y1: lane.last + 0.5,
  }));
}

// The names of the workers beside their lines, as far as there is space.
function laneTicks(run, lanes, pixels) {
  const lines = lanes[lanes.length - 1].last + 1;
  let next = 0;
  const named = lanes.filter((lane) => {
    const middle = ((lane.first + lane.last) / 2) * (pixels / Math.max(lines, 8));
    if (middle < next) return false;
    next = middle + 15;
    return true;
  });
  return {
    showticklabels: true, tickvals: named.map((lane) => (lane.first + lane.last) / 2),
    ticktext: named.map((lane) => escaped(run.workers[lane.worker])),
  };
}

function timelineFigure(id, figure, width, isShown) {
  const only = state.only.get(id);
  const byWorker = state.order.get(id) === "worker";
  const all = figure.timelines.filter((run) => isShown(run.name));
  const runs = all.some((run) => run.name === only) ? all.filter((run) => run.name === only) : all;
  const columns = runs.length === 1 ? 1 : Math.min(runs.length, width < 480 ? 2 : width < 900 ? 3 : 4);
  const rows = Math.ceil(runs.length / columns);
  const panel = runs.length === 1 ? 360 : width < 480 ? 150 : 190;
  const height = rows * (panel + 34) + 44;
  const end = Math.max(...runs.map((run) => run.end)) * 1.02;
  const layout = { shapes: [], annotations: [], height, margin: { l: 6, r: 10, t: 6, b: 44 } };
  const data = [];
  runs.forEach((run, place) => {
    const suffix = place ? String(place + 1) : "";
    const column = place % columns;
    const row = Math.floor(place / columns);
    const gap = 0.03;
    const wide = (1 - gap * (columns - 1)) / columns;
    const usable = height - 50;
    const top = 1 - (row * (panel + 34) + 24) / usable;
    const bottom = Math.max(0, top - panel / usable);
    const left = column * (wide + gap);
    const places = orderOf(run, byWorker);
    const lanes = byWorker && run.workers.length > 1 ? lanesOf(run, places) : [];
    const named = lanes.length && runs.length === 1;
    if (named) layout.margin.l = widest(run.workers, 12) + 14;
    const lowest = place + columns >= runs.length;
    layout[`xaxis${suffix}`] = axis({
      domain: [left, Math.min(1, left + wide)], anchor: `y${suffix}`, range: [0, end], nticks: width / columns < 280 ? 4 : 8,
      showticklabels: lowest, ...(lowest && { title: { text: "seconds" } }), rangemode: "tozero",
      fixedrange: matchMedia("(pointer: coarse)").matches,
    });
    layout[`yaxis${suffix}`] = axis({
      domain: [bottom, Math.max(bottom, top)], anchor: `x${suffix}`, range: [Math.max(places.length, 8) - 0.3, -0.7],
      showticklabels: false, showgrid: false, ticks: "", ...(named && laneTicks(run, lanes, panel)),
    });
    const shown = places.length < run.total ? `${places.length} of ${run.total.toLocaleString("en")}` : `${run.total}`;
    layout.annotations.push({
      text: `<b>${escaped(run.name)}</b>  ${shown}${width < 480 ? "" : run.total === 1 ? " attempt" : " attempts"}`,
      showarrow: false, xref: "paper", yref: "paper",
      x: left, y: top, xanchor: "left", yanchor: "bottom", font: { size: 13, color: "var(--ink)" },
    });
    layout.shapes.push(...bands(lanes, suffix));
    layout.shapes.push({
      type: "line", layer: "below", xref: `x${suffix}`, yref: `y${suffix} domain`, x0: run.begin, x1: run.begin, y0: 0, y1: 1,
      line: { color: "var(--muted)", width: 1, dash: "dot" },
    });
    layout.shapes.push(...strokes(run, places, suffix, panel, (2 * end * columns) / width));
    data.push(...points(run, places, suffix));
  });
  if (runs.length === 1 || !isStill) layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
  return { data, layout };
}
