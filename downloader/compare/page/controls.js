// The buttons: the filter by strategy, the choice of a timeline, and the copying of tables.

const status = document.getElementById("status");

function say(text) {
  if (status) status.textContent = text;
}

function applyFilter(text) {
  document.querySelectorAll("tr[data-row]").forEach((row) => { row.hidden = row.dataset.row !== "" && !isShown(row.dataset.row); });
  const buttons = [...document.querySelectorAll("button[data-filter]")];
  buttons.forEach((button) => button.setAttribute("aria-pressed", String(isShown(button.dataset.filter))));
  document.querySelectorAll("[data-choice=only] button").forEach((button) => { button.disabled = !isShown(button.value); });
  const shown = buttons.filter((button) => isShown(button.dataset.filter)).length;
  say(`${text}${shown} of ${buttons.length} shown.`);
  redraw();
}

function onFilter(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const name = button.dataset.filter;
  if (name === undefined) {
    hidden.clear();
    applyFilter("");
    return;
  }
  if (!hidden.delete(name)) hidden.add(name);
  applyFilter(`${name} is ${isShown(name) ? "shown" : "hidden"}. `);
}

function onChoice(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const group = event.currentTarget;
  group.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  state[group.dataset.choice].set(group.dataset.figure, button.value);
  say(`Timeline: ${button.textContent.trim()}.`);
  redraw([group.dataset.figure]);
}

// The exact values of the visible lines, separated by TAB.
function asText(table) {
  const lines = [...table.rows].filter((row) => !row.hidden);
  return lines.map((row) => [...row.cells].map(cellText).join("\t")).join("\n") + "\n";
}

function cellText(cell) {
  const data = cell.querySelector("data");
  return (data ? data.value : cell.textContent).trim().replace(/\s+/g, " ");
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByCommand(text);
  }
}

// Used without permission for the clipboard, or without a clipboard, as in some browsers for a local file.
function copiedByCommand(text) {
  const box = document.createElement("textarea");
  const before = document.activeElement;
  box.value = text;
  box.className = "visually-hidden";
  box.setAttribute("aria-hidden", "true");
  document.body.append(box);
  box.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    done = false;
  }
  box.remove();
  if (before) before.focus({ preventScroll: true });
  return done;
}

async function onCopy(event) {
  const button = event.currentTarget;
  const table = document.getElementById(button.dataset.copy);
  const done = await copied(table ? asText(table) : attemptsAsText(button.dataset.attempts));
  if (!done && table) getSelection().selectAllChildren(table);
  const outcome = done ? "Copied" : table ? "Selected: copy with Ctrl+C" : "The browser does not allow it";
  say(`${outcome}: ${button.getAttribute("aria-label").replace("Copy as TSV: ", "")}`);
  button.textContent = told;
  setTimeout(() => { button.textContent = "Copy as TSV"; }, 2000);
}

// The attempts that a timeline draws, of the visible strategies.
function attemptsAsText(id) {
  const lines = [["strategy", "file", "attempt", "worker", "started, s", "first byte, s", "ended, s", "not complete"]];
  for (const run of figures[id].timelines.filter((item) => isShown(item.name))) {
    run.file.forEach((file, at) => lines.push([
      run.name, file, run.number[at], run.workers[run.worker[at]], run.started[at], run.head[at] || "", run.ended[at], run.mishap[at],
    ]));
  }
  return lines.map((line) => line.map((value) => String(value).replace(/\s+/g, " ")).join("\t")).join("\n") + "\n";
}

root.classList.add("js");
document.querySelectorAll("[data-needs-script]").forEach((element) => { element.hidden = false; });
document.querySelectorAll("details.numbers").forEach((element) => { element.open = false; });
document.querySelectorAll(".filter").forEach((element) => element.addEventListener("click", onFilter));
document.querySelectorAll("[data-choice]").forEach((element) => element.addEventListener("click", onChoice));
document.querySelectorAll("button.copy").forEach((element) => element.addEventListener("click", onCopy));
prefersDark.addEventListener("change", () => redraw());

let lastWidth = document.body.clientWidth;
new ResizeObserver(() => {
  if (document.body.clientWidth === lastWidth) return;
  lastWidth = document.body.clientWidth;
  redraw();
}).observe(document.body);

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((element) => { element.open = true; });
  root.classList.add("print");
  drawAllNow();
});
addEventListener("afterprint", () => {
  closed.forEach((element) => { element.open = false; });
  root.classList.remove("print");
  redraw();
});

if (isStill) {
  drawAllNow();
  root.dataset.height = String(Math.ceil(document.body.getBoundingClientRect().bottom));
  document.querySelectorAll("script").forEach((element) => element.remove()); // keeps the document that is read back short
} else {
  redraw();
}
