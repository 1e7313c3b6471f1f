// The current colours and fonts of the style sheet, so that charts follow light, dark and print.

const root = document.documentElement;
const isStill = root.classList.contains("still");
const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function token(name) {
  return getComputedStyle(root).getPropertyValue(name).trim();
}

// A copy of plain values with each "var(--name)" replaced by its value.
function resolved(value, found = new Map()) {
  if (typeof value === "string" && value.startsWith("var(--")) {
    const name = value.slice(4, -1);
    if (!found.has(name)) found.set(name, token(name));
    return found.get(name);
  }
  if (Array.isArray(value)) return value.map((item) => resolved(item, found));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item, found)]));
  }
  return value;
}

function baseLayout() {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: token("--ink") },
    hoverlabel: {
      bgcolor: token("--raised"), bordercolor: token("--muted"), align: "left",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: token("--ink") },
    },
    showlegend: false,
    dragmode: false,
    hovermode: "closest",
  };
}

function axis(more) {
  return {
    gridcolor: token("--rule"), linecolor: token("--rule"), zerolinecolor: token("--rule"), zeroline: false,
    tickfont: { color: token("--muted"), size: 12 }, fixedrange: true, automargin: false, ...more,
    title: { ...more.title, font: { color: token("--muted"), size: 12 }, standoff: 6 },
  };
}

// Ticks of a logarithmic axis: 1, 2, 5 of each decade, fewer where it is long, more where it is short.
function logTicks(values) {
  const known = values.filter((value) => value > 0);
  const low = Math.floor(Math.log10(Math.min(...known)));
  const high = Math.ceil(Math.log10(Math.max(...known)));
  const short = Math.max(...known) < 10 * Math.min(...known);
  const steps = short ? [1, 1.5, 2, 3, 4, 5, 7] : high - low > 4 ? [1] : high - low > 2 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let decade = low; decade <= high; decade += 1) ticks.push(...steps.map((step) => Number((step * 10 ** decade).toPrecision(2))));
  return { tickvals: ticks, ticktext: ticks.map((tick) => tick.toLocaleString("en", { maximumSignificantDigits: 2 })) };
}

const ruler = document.createElement("canvas").getContext("2d");

// The width of the longest of these texts, in pixels.
function widest(texts, size = 13) {
  ruler.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
  return Math.max(0, ...texts.map((text) => ruler.measureText(text.replace(/&[a-z]+;/g, "x")).width));
}
