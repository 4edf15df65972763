// The live parts of espalier's pages (framework/serve). Data comes as JSON from this page's own
// server; everything is drawn here. What is shown is in the address, so that it can be kept and sent.
"use strict";

const POLL = 2000; // ms between two looks while the page is visible
const MOST_CURVES = 60, MOST_HEATS = 4, MOST_COMPARED = 8, FIRST_ROWS = 100;

// ---- small things ------------------------------------------------------------------------------

// An element; text is always text, never markup.
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function draw(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const find = (id) => document.getElementById(id);

async function ask(path, values) {
  const query = new URLSearchParams(values);
  const response = await fetch(find("home").href + path + (values ? "?" + query : "")); // below a proxy's path too
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

// {columns, rows} as objects.
function objects(table) {
  return table.rows.map((row) => Object.fromEntries(row.map((value, i) => [table.columns[i], value])));
}

function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  if (seconds < 60) return seconds.toFixed(seconds < 10 ? 1 : 0) + " s";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

// Which share or number a metric is, as tables print it; accuracies as percent.
const isShare = (metric) => metric.endsWith("accuracy");
function number(metric, value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "-";
  return isShare(metric) ? (100 * value).toFixed(2) : Number(value.toPrecision(5)).toString();
}

// "test.hard_accuracy" in words.
function describe(metric) {
  const dot = metric.indexOf(".");
  const split = metric.slice(0, dot), key = metric.slice(dot + 1);
  const routing = key.startsWith("hard_") ? ", hard routing" : key.includes("soft_") ? ", soft mixture" : "";
  return `${key.replace(/_/g, " ")} (${split} split${routing}${isShare(metric) ? ", percent" : ""})`;
}

// A table in a container; it stays sorted as it was. columns: {name, label}; rows: arrays of texts,
// numbers or elements.
function showTable(container, columns, rows) {
  const old = container.querySelector("th[aria-sort]");
  const head = make("tr", {});
  for (const column of columns) {
    head.append(make("th", { scope: "col", class: column.label ? "label" : "" }, column.name));
  }
  const body = make("tbody", {});
  for (const row of rows) {
    const line = make("tr", {});
    row.forEach((value, i) => {
      line.append(make("td", { class: columns[i].label ? "word" : "" }, value === null || value === undefined ? "" : value));
    });
    body.append(line);
  }
  const table = make("table", { class: "sortable" }, make("thead", {}, head), body);
  const place = container.scrollLeft;
  container.replaceChildren(table);
  container.scrollLeft = place;
  makeSortable(table);
  if (old && old.cellIndex < columns.length) {
    const sort = old.getAttribute("aria-sort");
    table.tHead.rows[0].cells[old.cellIndex].setAttribute("aria-sort", sort);
    sortTable(table, old.cellIndex, sort === "descending");
  }
}

function showRunning(container, running, withStudy) {
  const columns = [{ name: "state", label: true }];
  if (withStudy) columns.push({ name: "study", label: true });
  columns.push({ name: "cell", label: true }, { name: "seed", label: true }, { name: "phase", label: true },
    { name: "epoch" }, { name: "epochs a second" }, { name: "time left at most" }, { name: "where", label: true });
  if (running.length === 0) {
    container.replaceChildren(make("p", { class: "quiet" }, "Nothing runs."));
    return;
  }
  showTable(container, columns, running.map((trial) => {
    const study = make("a", { href: find("home").href + "study/" + encodeURIComponent(trial.study) }, trial.study);
    const rate = trial.epochs_per_second;
    return [trial.state, ...(withStudy ? [study] : []), trial.cell, trial.seed, trial.phase || "",
      `${trial.epoch} of ${trial.epochs ?? "?"}`, rate === null ? "" : Number(rate.toPrecision(3)).toString(),
      duration(trial.seconds_left), `${trial.host}, process ${trial.process}`];
  }));
}

// Looks again and again while somebody looks; says so where the server does not answer.
function poll(look) {
  let busy = false, again = false;
  async function once() {
    again = busy; // what changed meanwhile is looked at right after
    if (busy || document.hidden) return;
    busy = true;
    const clock = find("clock");
    try {
      await look();
      clock.textContent = "as of " + new Date().toLocaleTimeString();
      clock.classList.remove("stale");
    } catch (error) {
      clock.textContent = `not up to date: ${error.message}`;
      clock.classList.add("stale");
    }
    busy = false;
    if (again) once();
  }
  document.addEventListener("visibilitychange", once);
  setInterval(() => busy || once(), POLL);
  once();
  return once;
}

// ---- all studies -------------------------------------------------------------------------------

function startIndex() {
  if (!location.pathname.endsWith("/")) { location.replace(location.pathname + "/"); return; } // a proxy's path: links hang on it
  poll(async () => {
    const answer = await ask("api/studies");
    showRunning(find("running-table"), objects(answer.running), true);
    // Names as they stand in addresses: what is shown leaves out what HTML may not hold.
    const rows = Array.from(find("studies").tBodies[0].rows);
    const lines = new Map(rows.map((row) => [decodeURIComponent(row.querySelector("a").pathname.split("/").pop()), row]));
    const studies = objects(answer.studies);
    if (studies.length > rows.length) { location.reload(); return; } // a new one
    for (const study of studies) {
      const row = lines.get(study.study);
      if (!row) continue;
      ["trials", "done", "failed", "running", "interrupted", "planned", "last_run"].forEach((name, i) => {
        row.cells[i + 1].textContent = study[name];
      });
    }
  });
}

// ---- a study: what is shown, kept in the address -----------------------------------------------

const state = { metric: "test.hard_accuracy", at: "selected", seed: "", split: "test", variants: [], keys: {}, trials: [] };

function readAddress() {
  const address = new URLSearchParams(location.search);
  for (const name of ["metric", "at", "seed", "split"]) {
    if (address.has(name)) state[name] = address.get(name);
  }
  state.variants = address.getAll("variant");
  state.trials = (address.get("trials") || "").split(",").filter(Boolean);
  state.keys = {};
  for (const [name, value] of address) {
    if (name.startsWith("key.")) state.keys[name.slice(4)] = value;
  }
}

function writeAddress() {
  const address = new URLSearchParams();
  address.set("metric", state.metric);
  address.set("at", state.at);
  if (state.seed) address.set("seed", state.seed);
  if (state.split !== "test") address.set("split", state.split);
  for (const variant of state.variants) address.append("variant", variant);
  for (const [key, value] of Object.entries(state.keys)) address.set("key." + key, value);
  if (state.trials.length > 0) address.set("trials", state.trials.join(","));
  history.replaceState(null, "", "?" + address);
}

// "0..4,7" as a test of seeds as written; what is no number is compared as text.
function seedTest(text) {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  if (parts.length === 0) return () => true;
  return (seed) => parts.some((part) => {
    const range = part.match(/^(\d+)\.\.(\d+)$/);
    return range ? /^\d+$/.test(seed) && +seed >= +range[1] && +seed <= +range[2] : seed === part || seed.includes(part + ",");
  });
}

// ---- a study: its data -------------------------------------------------------------------------

let study = null; // the latest answer, with cells, trials and styles looked up
let live = null;
const curves = new Map(); // trial -> curve of the metric shown
const heats = new Map();
const details = new Map();

function takeStudy(answer) {
  const cells = new Map(objects(answer.cells).map((cell) => [cell.key, { ...cell, keys: {} }]));
  for (const { cell, key, value } of objects(answer.swept)) cells.get(cell).keys[key] = value;
  const trials = objects(answer.trials);
  for (const trial of trials) trial.cell = cells.get(trial.cell);
  const styles = new Map(answer.variants.map((name, i) => [name, answer.styles[i]]));
  const swept = new Map();
  for (const { key, value } of objects(answer.swept)) {
    if (!swept.has(key)) swept.set(key, []);
    if (!swept.get(key).includes(value)) swept.get(key).push(value);
  }
  return { ...answer, cells: [...cells.values()], trials, styles, swept,
    metrics: answer.metrics.rows.map((row) => row[0]), ats: objects(answer.ats) };
}

// The trials that the filters let through.
function shown() {
  const seeds = seedTest(state.seed);
  return study.trials.filter((trial) =>
    (state.variants.length === 0 || state.variants.includes(trial.cell.variant)) && seeds(trial.seed) &&
    Object.entries(state.keys).every(([key, value]) => trial.cell.keys[key] === value));
}

const lastEpoch = (trial) => {
  const running = live && live.running.find((row) => row.trial_id === trial.trial_id);
  return running ? running.epoch : trial.epochs ?? -1;
};

// Those whose curves are drawn: chosen ones first, then one of each cell, then a second one, ...
function drawn() {
  const chosen = study.trials.filter((trial) => state.trials.includes(trial.trial_id));
  const taken = new Map(), rest = [];
  for (const trial of shown()) {
    if (state.trials.includes(trial.trial_id) || lastEpoch(trial) < 0) continue;
    taken.set(trial.cell, (taken.get(trial.cell) || 0) + 1);
    rest.push({ trial, turn: taken.get(trial.cell) });
  }
  rest.sort((a, b) => a.turn - b.turn); // stable: cells stay in order
  return [...chosen, ...rest.map((one) => one.trial)].slice(0, MOST_CURVES);
}

async function loadCurves() {
  const stale = drawn().filter((trial) => {
    const curve = curves.get(trial.trial_id);
    return !curve || curve.metric !== state.metric || curve.last < lastEpoch(trial);
  }).map((trial) => trial.trial_id);
  const metric = state.metric;
  for (let i = 0; i < stale.length; i += 50) {
    const answer = await ask("api/curves", { metric, trials: stale.slice(i, i + 50).join(",") });
    for (const curve of answer.curves) curves.set(curve.trial, { ...curve, metric });
  }
}

// Heat maps: of the chosen trials, else of one a variant.
function heated() {
  const chosen = study.trials.filter((trial) => state.trials.includes(trial.trial_id));
  if (chosen.length > 0) return chosen.slice(0, MOST_HEATS);
  const seen = new Set();
  return shown().filter((trial) => lastEpoch(trial) >= 0 && !seen.has(trial.cell.variant) && seen.add(trial.cell.variant)).slice(0, MOST_HEATS);
}

async function loadHeats() {
  for (const trial of heated()) {
    const key = state.split + " " + trial.trial_id, known = heats.get(key);
    if (!known || known.last < lastEpoch(trial)) {
      heats.set(key, await ask("api/leaves", { trial: trial.trial_id, split: state.split }));
    }
  }
}

async function loadDetails() {
  for (const id of state.trials.slice(0, MOST_COMPARED)) {
    const trial = study.trials.find((one) => one.trial_id === id), known = details.get(id);
    if (trial && (!known || known.last < lastEpoch(trial) || known.status !== trial.status)) {
      const answer = await ask("api/trial", { study: study.study, trial: id });
      details.set(id, { last: lastEpoch(trial), status: trial.status, keys: objects(answer.keys), finals: objects(answer.finals) });
    }
  }
}

// ---- a study: filters --------------------------------------------------------------------------

function fillSelect(select, values, current, words) {
  const wanted = values.includes(current) ? values : [current, ...values];
  if (JSON.stringify(wanted) !== select.dataset.values) {
    select.dataset.values = JSON.stringify(wanted);
    select.replaceChildren(...wanted.map((value) => make("option", { value }, words ? words(value) : value)));
  }
  select.value = current;
}

function lineSample(style) {
  return draw("svg", { viewBox: "0 0 36 12", "aria-hidden": "true" },
    draw("line", { x1: 2, y1: 6, x2: 34, y2: 6, stroke: style.color, "stroke-width": 2.5, "stroke-dasharray": style.dash }));
}

function showFilters() {
  const form = find("filters");
  fillSelect(form.elements.metric, study.metrics, state.metric);
  fillSelect(form.elements.at, study.ats.map((at) => at.at), state.at);
  if (document.activeElement !== form.elements.seed) form.elements.seed.value = state.seed;
  const places = find("keys");
  for (const [key, values] of study.swept) {
    let select = Array.from(places.querySelectorAll("select")).find((one) => one.dataset.key === key);
    if (!select) {
      select = make("select", {});
      select.dataset.key = key;
      places.append(make("label", {}, key + " ", select));
    }
    fillSelect(select, ["", ...values], state.keys[key] || "", (value) => value || "all");
  }
  const box = find("variants");
  if (box.dataset.values !== JSON.stringify(study.variants)) {
    box.dataset.values = JSON.stringify(study.variants);
    box.replaceChildren(...study.variants.map((name) =>
      make("label", { class: "legend" }, make("input", { type: "checkbox", value: name, name: "variant" }),
        lineSample(study.styles.get(name)), name)));
  }
  for (const input of box.querySelectorAll("input")) input.checked = state.variants.includes(input.value);
  find("split").value = state.split;
  find("shown").textContent = `${shown().length} of ${study.trials.length} trials`;
}

function readFilters() {
  const form = find("filters");
  state.metric = form.elements.metric.value;
  state.at = form.elements.at.value;
  state.seed = form.elements.seed.value.trim();
  state.split = find("split").value;
  state.variants = Array.from(find("variants").querySelectorAll("input:checked"), (input) => input.value);
  state.keys = {};
  for (const select of find("keys").querySelectorAll("select")) {
    if (select.value) state.keys[select.dataset.key] = select.value;
  }
}

// ---- a study: cells and trials -----------------------------------------------------------------

// Of the sample (n - 1).
function deviation(values) {
  if (values.length < 2) return NaN;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

function dots(values, low, high, style) {
  const place = (value) => 6 + (high > low ? (value - low) / (high - low) : 0.5) * 132;
  return draw("svg", { class: "dots", viewBox: "0 0 144 18", role: "img", "aria-label": "each seed's value" },
    draw("line", { x1: 6, x2: 138, y1: 9, y2: 9, stroke: "#c9ced6" }),
    ...values.map((value) => draw("circle", { cx: place(value).toFixed(1), cy: 9, r: 3.5, fill: style.color, "fill-opacity": 0.6 })));
}

function showCells() {
  const trials = shown(), rows = [], byCell = new Map();
  for (const trial of trials) {
    if (!byCell.has(trial.cell)) byCell.set(trial.cell, []);
    byCell.get(trial.cell).push(trial);
  }
  const all = trials.filter((trial) => trial.status === "done" && trial.value !== null).map((trial) => trial.value);
  const low = Math.min(...all), high = Math.max(...all);
  for (const cell of study.cells) {
    const own = byCell.get(cell);
    if (!own) continue;
    const values = own.filter((trial) => trial.status === "done" && trial.value !== null).map((trial) => trial.value);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const text = (value) => number(state.metric, value);
    rows.push([cell.label, own.length, values.length, own.filter((trial) => trial.status === "failed").length,
      text(mean), text(deviation(values)), text(values.length ? Math.min(...values) : NaN), text(values.length ? Math.max(...values) : NaN),
      values.length ? dots(values, low, high, study.styles.get(cell.variant)) : ""]);
  }
  showTable(find("cells"), [{ name: "cell", label: true }, { name: "trials" }, { name: "n" }, { name: "failed" }, { name: "mean" },
    { name: "sd" }, { name: "min" }, { name: "max" }, { name: "seeds", label: true }], rows);
  const at = study.ats.find((one) => one.at === state.at);
  const chosen = at && at.monitor ? ` by ${at.monitor}${at.monitor.includes("test.") ? " (the test set!)" : ""}` : "";
  find("cells-note").textContent = `${describe(state.metric)} at the epoch "${state.at}"${chosen}; n: done trials; sd of the sample; ` +
    "trials that failed or are not done are in no mean; one scale for all seeds.";
}

let allRows = false;
function showTrials() {
  const trials = shown(), first = allRows ? trials : trials.slice(0, FIRST_ROWS);
  showTable(find("trials"), [{ name: "choose", label: true }, { name: "trial", label: true }, { name: "cell", label: true },
    { name: "seed" }, { name: "status", label: true }, { name: "epochs" }, { name: describe(state.metric) },
    { name: "at epoch" }, { name: "time" }, { name: "message", label: true }],
    first.map((trial) => {
      const box = make("input", { type: "checkbox", value: trial.trial_id, "aria-label": `choose trial ${trial.trial_id}` });
      box.checked = state.trials.includes(trial.trial_id);
      return [box, trial.trial_id, trial.cell.label, trial.seed, trial.status, lastEpoch(trial) < 0 ? "" : lastEpoch(trial),
        number(state.metric, trial.value), trial.epoch, duration(trial.seconds), trial.message];
    }));
  const more = find("more");
  more.hidden = first.length === trials.length;
  more.textContent = `Show all ${trials.length}`;
}

function showComparison() {
  const known = new Set(study.trials.map((trial) => trial.trial_id)); // a new revision has others
  const ids = state.trials.slice(0, MOST_COMPARED).filter((id) => details.has(id) && known.has(id));
  find("compare-note").textContent = ids.length === 0 ? "Choose trials below to see them side by side."
    : "Keys in which they differ, and losses and accuracies where each was selected and ended; fractions and nats. " +
      "Choose another metric above to see it here too." +
      (state.trials.length > MOST_COMPARED ? ` The first ${MOST_COMPARED} of ${state.trials.length}.` : "");
  if (ids.length === 0) { find("compare").replaceChildren(); return; }
  const names = ids.map((id) => {
    const trial = study.trials.find((one) => one.trial_id === id);
    return `${trial.cell.label}, seed ${trial.seed}`;
  });
  const rows = [["trial", ...ids]];
  const lines = (list, label, value) => {
    const order = [...new Set(ids.flatMap((id) => list(details.get(id)).map(label)))];
    return order.map((name) => [name, ...ids.map((id) => {
      const one = list(details.get(id)).find((item) => label(item) === name);
      return one ? value(one) : "-";
    })]);
  };
  rows.push(...lines((d) => d.keys, (k) => k.key, (k) => k.value).filter((row) => row.slice(1).some((value) => value !== row[1])));
  const main = (final) => final.metric === state.metric || /^[a-z]+\.(running|soft|hard)_/.test(final.metric);
  rows.push(...lines((d) => d.finals.filter(main), (f) => `${f.metric} at ${f.at}`, (f) => `${Number(f.value.toPrecision(5))} (epoch ${f.epoch})`));
  showTable(find("compare"), [{ name: "what", label: true }, ...names.map((name) => ({ name }))], rows);
}

// ---- a study: learning curves ------------------------------------------------------------------

// Round places for ticks.
function ticks(low, high, about) {
  const rough = (high - low) / about || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const places = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) places.push(i * step);
  return places;
}

const WIDTH = 860, HEIGHT = 380, LEFT = 62, RIGHT = 12, TOP = 22, BOTTOM = 44;
let chart = null; // what the pointer reads

function showCurves() {
  const list = drawn().map((trial) => ({ trial, curve: curves.get(trial.trial_id) }))
    .filter(({ curve }) => curve && curve.metric === state.metric && curve.points.length > 0);
  const place = find("curves");
  const visible = new Set(shown().filter((trial) => lastEpoch(trial) >= 0));
  if (list.length === 0) {
    if (drawn().some((trial) => curves.get(trial.trial_id)?.metric !== state.metric)) return; // they come
    place.replaceChildren(make("p", {}, "No epochs of this metric yet."));
    find("curves-note").textContent = "";
    chart = null;
    return;
  }
  const scale = isShare(state.metric) ? 100 : 1;
  let low = Infinity, high = -Infinity, last = 1;
  for (const { curve } of list) {
    for (const [epoch, value] of curve.points) {
      if (value === null) continue;
      low = Math.min(low, value); high = Math.max(high, value); last = Math.max(last, epoch);
    }
  }
  low *= scale; high *= scale;
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  const x = (epoch) => LEFT + (epoch / last) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + ((high - value * scale) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const label = `Learning curves of ${list.length} trials: ${describe(state.metric)} by epoch`;
  const svg = draw("svg", { class: "curves", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  for (const tick of ticks(low, high, 6)) {
    const at = y(tick / scale);
    svg.append(draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: at, y2: at }),
      draw("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, String(Number(tick.toPrecision(6)))));
  }
  for (const tick of ticks(0, last, 8).filter(Number.isInteger)) {
    svg.append(draw("text", { x: x(tick), y: HEIGHT - BOTTOM + 18, "text-anchor": "middle" }, String(tick)));
  }
  // Where phases begin, if all that got there agree; early stopping moves them.
  const phases = new Map();
  for (const { curve } of list) {
    for (const [epoch, , name] of curve.points) {
      if (name) phases.set(name, phases.has(name) && phases.get(name) !== epoch ? NaN : epoch);
    }
  }
  for (const [name, epoch] of phases) {
    if (Number.isNaN(epoch)) continue;
    svg.append(draw("line", { class: "phase", x1: x(epoch), x2: x(epoch), y1: TOP - 6, y2: HEIGHT - BOTTOM }),
      draw("text", { x: x(epoch) + 3, y: TOP - 8 }, name.slice(0, 24)));
  }
  svg.append(draw("text", { x: (LEFT + WIDTH) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "epoch (0: untrained)"),
    draw("text", { x: 0, y: 0, transform: `translate(14 ${HEIGHT / 2}) rotate(-90)`, "text-anchor": "middle" }, describe(state.metric)));
  // Chosen ones last, so that they lie on top.
  for (const { trial, curve } of [...list].reverse()) {
    const style = study.styles.get(trial.cell.variant);
    const points = curve.points.filter((point) => point[1] !== null);
    svg.append(draw("path", {
      d: "M" + points.map(([epoch, value]) => `${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`).join("L"),
      stroke: style.color, "stroke-dasharray": style.dash, class: state.trials.includes(trial.trial_id) ? "chosen" : "",
      "data-trial": trial.trial_id,
    }));
  }
  const variants = [...new Set(list.map(({ trial }) => trial.cell.variant))];
  place.replaceChildren(svg, make("p", { class: "legends" }, ...variants.map((name) =>
    make("span", { class: "legend" }, lineSample(study.styles.get(name)), name))));
  chart = { list, x, y, svg };
  const every = Math.max(...list.map(({ curve }) => curve.every));
  const left = visible.size - list.filter(({ trial }) => visible.has(trial)).length;
  find("curves-note").textContent = `One line a trial, ${list.length} of them; color and dash by variant; chosen trials thick.` +
    (left > 0 ? ` ${left} more are not drawn: filter, or choose them.` : "") +
    (every > 1 ? ` Every ${every}th epoch of the longest and its last.` : "");
}

function readCurve(event) {
  if (!chart) return;
  const box = chart.svg.getBoundingClientRect();
  const px = ((event.clientX - box.left) / box.width) * WIDTH, py = ((event.clientY - box.top) / box.height) * HEIGHT;
  let best = null, nearest = 40 ** 2;
  for (const { trial, curve } of chart.list) {
    for (const [epoch, value] of curve.points) {
      if (value === null) continue;
      const distance = (chart.x(epoch) - px) ** 2 + (chart.y(value) - py) ** 2;
      if (distance < nearest) { nearest = distance; best = { trial, epoch, value }; }
    }
  }
  find("readout").textContent = best
    ? `${best.trial.cell.label}, seed ${best.trial.seed}, trial ${best.trial.trial_id}: ${number(state.metric, best.value)} at epoch ${best.epoch}`
    : "Point at a curve to read it.";
}

// ---- a study: leaf loads -----------------------------------------------------------------------

// Light to dark, so that it reads in grey; 0 is white, four times an even share and more is darkest.
function shade(share) {
  const t = Math.min(share / 4, 1) ** 0.6;
  return [255 - t * 247, 255 - t * 207, 255 - t * 148].map(Math.round);
}

function heatMap(trial, heat) {
  const title = `${trial.cell.label}, seed ${trial.seed}`;
  if (heat.leaves === 0 || heat.epochs.length === 0) {
    return make("figure", {}, make("figcaption", {}, `${title}: no leaf counts of this split.`));
  }
  const canvas = make("canvas", { class: "heat", role: "img" });
  canvas.width = heat.epochs.length;
  canvas.height = heat.leaves;
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  let dead = 0;
  heat.epochs.forEach(([, counts], column) => {
    const total = counts.reduce((sum, count) => sum + count, 0) || 1;
    dead = counts.filter((count) => count === 0).length;
    counts.forEach((count, leaf) => {
      const color = shade((count / total) * heat.leaves), at = 4 * (leaf * canvas.width + column);
      image.data.set([...color, 255], at);
    });
  });
  context.putImageData(image, 0, 0);
  const last = heat.epochs[heat.epochs.length - 1][0];
  const words = `${title}: ${heat.leaves} leaves, epochs 0 to ${last}; ${dead} of them get nothing at epoch ${last}.`;
  canvas.setAttribute("aria-label", "Leaf loads of " + words);
  return make("figure", {}, canvas, make("figcaption", {}, words));
}

function showHeats() {
  const ramp = make("canvas", { class: "ramp", "aria-hidden": "true" });
  ramp.width = 64;
  ramp.height = 1;
  const image = ramp.getContext("2d").createImageData(64, 1);
  for (let i = 0; i < 64; i++) image.data.set([...shade(i / 16), 255], 4 * i);
  ramp.getContext("2d").putImageData(image, 0, 0);
  const maps = heated().filter((trial) => heats.has(state.split + " " + trial.trial_id))
    .map((trial) => heatMap(trial, heats.get(state.split + " " + trial.trial_id)));
  find("leaves").replaceChildren(make("p", {}, "none ", ramp, " four times an even share, or more"), make("div", { class: "heats" }, ...maps));
}

// ---- a study: progress -------------------------------------------------------------------------

function showProgress() {
  const states = objects(live.states)[0], epochs = objects(live.epochs)[0];
  const rate = live.running.reduce((sum, trial) => sum + (trial.epochs_per_second || 0), 0);
  const share = epochs.planned > 0 ? epochs.spent / epochs.planned : 0;
  const words = [`${states.done} of ${states.trials} trials done`];
  for (const name of ["failed", "running", "interrupted", "planned"]) {
    if (states[name] > 0) words.push(`${states[name]} ${name}`);
  }
  if (epochs.planned > 0) words.push(`${Math.floor(100 * share)} % of their epochs`);
  if (rate > 0 && epochs.planned > 0) words.push(`at most ${duration((epochs.planned - epochs.spent) / rate)} left at this rate`);
  find("progress").textContent = words.join(", ");
  find("bar").value = share;
  document.title = `${states.done}/${states.trials} ${find("main").querySelector("h1").textContent.slice(0, 60)}`;
  showRunning(find("running-table"), live.running, false);
}

let seen = ""; // what of the live data asks for the whole again

async function lookAtStudy() {
  const name = find("study").dataset.path; // encoded
  const answer = await ask("api/live/" + name);
  live = { ...answer, running: objects(answer.running) };
  showProgress();
  const stamp = JSON.stringify([answer.states, objects(answer.epochs)[0].attempt, objects(answer.epochs)[0].trained, state.metric, state.at]);
  if (stamp !== seen) {
    study = takeStudy(await ask("api/study/" + name, { metric: state.metric, at: state.at }));
    if (study.metrics.length > 0 && !study.metrics.includes(state.metric)) state.metric = study.metrics[0];
    seen = stamp;
    showAll();
  }
  await showDrawings();
}

function showAll() {
  showFilters();
  showCells();
  showTrials();
}

async function showDrawings() {
  await loadCurves();
  showCurves();
  await loadHeats();
  showHeats();
  await loadDetails();
  showComparison();
}

function startStudy() {
  readAddress();
  const look = poll(lookAtStudy);
  const changed = () => {
    readFilters();
    writeAddress();
    if (study) { showAll(); look(); }
  };
  find("filters").addEventListener("change", changed);
  find("filters").addEventListener("submit", (event) => { event.preventDefault(); changed(); });
  find("split").addEventListener("change", changed);
  find("clear").addEventListener("click", () => {
    Object.assign(state, { seed: "", variants: [], keys: {}, trials: [] });
    writeAddress();
    if (study) { showAll(); look(); }
  });
  find("trials").addEventListener("change", (event) => {
    const id = event.target.value;
    state.trials = state.trials.filter((other) => other !== id);
    if (event.target.checked) state.trials.push(id);
    writeAddress();
    look();
  });
  find("more").addEventListener("click", () => { allRows = true; showTrials(); });
  find("curves").addEventListener("pointermove", readCurve);
  window.addEventListener("popstate", () => { readAddress(); seen = ""; look(); });
}

document.addEventListener("DOMContentLoaded", () => {
  if (find("study")) startStudy();
  else if (find("studies")) startIndex();
});
