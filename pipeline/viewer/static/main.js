// The page: what the address says is drawn; keys, buttons and the passing of time change the address or ask again.

import { DIFFERENCES, getJson, networkTitle, otherStamp, pictureUrl, rememberRuns } from "./api.js";
import { onlyOf, rememberOrders, sortedBy, sortName, sortOrder, takenFor } from "./choices.js";
import { renderErrors } from "./class_errors.js";
import { renderClasses } from "./class_table.js";
import { byId, html, paragraph, replaceKeepingFocus, setOptions, setState, swatch } from "./dom.js";
import * as gallery from "./gallery.js";
import { availableLayers, layersOfSplit, renderChips, shownLayers, stepOpacity, toggleLayer } from "./layers.js";
import { counted } from "./numbers.js";
import * as panes from "./panes.js";
import * as readout from "./readout.js";
import { change, onChange, readAddress, state } from "./state.js";
import { glossary, WORDS } from "./words.js";

const REFRESH_MS = 2500;
const ZOOM_STEP = 1.5;
const SPLITS = /** @type {const} */ (["target", "evaluation"]);

/** @type {Workspace} */
let workspace;
let isLoaded = false;
let error = "";
let galleryKey = ""; // what the gallery was loaded for
let isMeasuring = false;
let imageKey = ""; // what the answers are to
let imageRequests = 0;
/** Of the image in each run on the page. @type {ImageAnswer[]} */
let answers = [];
/** The class table, by the stamps and names of the runs that it is about. @type {Map<string, any>} */
let classTables = new Map();

/** @param {string} name */
const runNamed = (name) => (isLoaded ? workspace.runs.find((run) => run.name === name) : undefined);
const currentRun = () => runNamed(state.run);
const isOnImage = () => Boolean(state.image) && state.view !== "gallery";
const shownRuns = () => workspace.runs.filter((run) => run.has_images);

/** The run that is compared with. @returns {ShownRun | null} */
function otherRun() {
  const run = runNamed(state.vs);
  return run?.has_images && state.vs !== state.run ? run : null;
}

/** The run, and the one beside it. */
function runsOnPage() {
  const [run, other] = [currentRun(), otherRun()];
  if (!run?.has_images) return [];
  return other ? [run, other] : [run];
}

/** Do something that may fail, and show the message if it does. @param {() => Promise<void>} work */
async function attempt(work) {
  try {
    await work();
  } catch (caught) {
    error = /** @type {Error} */ (caught).message;
    renderNotices();
  }
}

// ------------------------------------------------------------------------------------------------------------- drawing

async function refresh() {
  const { split } = state;
  await attempt(async () => {
    const answer = await getJson("api/workspace", { split });
    if (split !== state.split) return; // the other split is being asked for
    workspace = answer;
    isLoaded = true;
    rememberRuns(workspace.runs);
    rememberOrders(workspace.orders);
    error = "";
  });
  if (split !== state.split) return;
  if (isLoaded) await render();
}

async function render() {
  const run = currentRun();
  if (!state.run && workspace.start) return change(workspace.start);
  if (state.run && !run) error = `There is no run "${state.run}".`;
  renderHeader();
  renderNotices();
  renderHealth();
  const isOnImageOfRun = Boolean(run?.has_images) && isOnImage();
  document.body.classList.toggle("on-image", isOnImageOfRun);
  byId("gallery").hidden = isOnImageOfRun || !run?.has_images;
  byId("image").hidden = !isOnImageOfRun;
  renderEmpty(run);
  if (!run?.has_images) {
    gallery.clear();
    galleryKey = "";
    return;
  }
  gallery.renderTools(workspace, run);
  await loadGallery(run);
  if (isOnImage()) await renderImage(run);
  else gallery.renderTiles();
}

/** Where a run has nothing in this split: what there is of it, and where. @param {Run | undefined} run */
function renderEmpty(run) {
  byId("empty").hidden = !run || run.has_images;
  if (!run || run.has_images) return;
  const evaluated = run.splits
    .filter((split) => split !== state.split)
    .map((split) => {
      const text =
        split === "target"
          ? `What the cache of ${run.name} holds of the target`
          : `What ${run.name} predicts on the evaluation split`;
      return goTo(text, { split });
    });
  const begun = state.split === "target" ? run.begins : [];
  const rounds = begun.map((name) => goTo(`${networkTitle(name)}, on the target`, { run: name }));
  replaceKeepingFocus(byId("empty"), [
    ...run.problems.map((problem) => paragraph(problem)),
    evaluated.length || rounds.length ? paragraph("There is:") : null,
    ...evaluated,
    ...rounds,
  ]);
}

/** @type {(textContent: string, changes: Partial<typeof state>) => HTMLElement} */
const goTo = (textContent, changes) =>
  html("button", { type: "button", textContent, "data-key": textContent, onclick: () => change(changes) });

/** @param {ShownRun} run */
async function loadGallery(run) {
  const order = [sortName(), sortedBy(run), takenFor(run), state.rev, state.show];
  const key = JSON.stringify([run.split, run.name, run.stamp, ...order, state.vs, otherStamp(run, state.vs)]);
  if (key === galleryKey && !isMeasuring) return;
  await attempt(async () => {
    isMeasuring = await gallery.load(run);
    galleryKey = key;
  });
}

function renderHeader() {
  const run = currentRun();
  /** @type {[string, string][]} */
  const others = shownRuns().flatMap(({ name }) => (name === state.run ? [] : [[name, name]]));
  setOptions(byId("run"), workspace.runs.map(runOption), state.run);
  setOptions(byId("against"), [["", "nothing"], ...others], otherRun()?.name ?? "");
  for (const split of SPLITS) setState(byId(`split-${split}`), "aria-pressed", state.split === split);
  setState(byId("to-gallery"), "aria-pressed", !isOnImage());
  setState(byId("to-image"), "aria-pressed", isOnImage());
  byId("summary").replaceChildren(...(run?.has_images ? summary(run) : []));
  byId("summary").title = run?.has_images
    ? `of ${run.size[0]}×${run.size[1]} pixels, ${run.classes.length} classes`
    : "";
  document.title = [isOnImage() ? state.image : "", state.run, "Roundabout"].filter(Boolean).join(" · ");
}

/** @param {Run} run @returns {[string, string]} */
function runOption({ name, has_images, split, method, writing }) {
  if (!has_images) return [name, `${name} – ${split === "target" ? "no cache" : "not evaluated"}`];
  return [name, `${name}${method ? ` (${method})` : ""}${writing ? " – being written" : ""}`];
}

/** @param {ShownRun} run */
function summary(run) {
  const count = html("b", { textContent: counted(run.images, "image") });
  /** @type {(string | Node)[]} */
  const parts = [count, ` · ${networkTitle(run.name)}`];
  if (run.images < run.images_of_all) {
    parts.push(` · ${run.writing ? "being written, " : ""}${run.images} of ${run.images_of_all} are there`);
  }
  if (run.method) parts.push(` · ${run.selected} ${run.hard ? `easy, ${run.hard} hard` : "selected"}`);
  return parts;
}

/** The verdict without labels: of the network that the round trains, not of the one that filled its cache. */
function renderHealth() {
  const run = currentRun();
  const health = run?.health;
  byId("health").hidden = !health;
  if (!run || !health) return;
  byId("health").dataset.verdict = health.verdict;
  const result = health.result === "init" ? "; its result is its init's network (guard)" : "";
  byId("health").replaceChildren(
    `Verdict without labels on ${run.name}: `,
    html("b", { textContent: health.verdict }),
    ` – ${health.reason}${result}`,
  );
  byId("health").title = byId("health").textContent ?? "";
}

function renderNotices() {
  const run = currentRun();
  const messages = [error, isLoaded && workspace.problem];
  if (run?.has_images) messages.push(...run.problems, workspace.images_problem);
  const text = messages.filter(Boolean).join("\n");
  if (byId("notices").textContent !== text) byId("notices").textContent = text;
}

// ------------------------------------------------------------------------------------------------------------ one image

/** @param {ShownRun} run */
async function renderImage(run) {
  const other = otherRun();
  renderChips(run, other);
  setState(byId("apart"), "aria-pressed", !state.stack);
  setState(byId("stacked"), "aria-pressed", Boolean(state.stack));
  const image = state.image;
  await loadImage();
  if (image !== state.image || run !== currentRun()) return;
  renderImageTitle(run);
  const details = answers[0]?.image;
  if (details) {
    panes.readProbe(run);
    panes.render(run, other, Object.fromEntries(answers.map((one) => [one.run.name, one.image])));
    renderLegend(run, details);
  } else panes.clear();
  gallery.renderFilm();
  readout.renderTabs();
  readout.renderImage(answers);
  await renderClassTable(run);
  prefetch(run, other);
}

async function loadImage() {
  const runs = runsOnPage();
  const key = JSON.stringify([state.image, ...runs.map(({ name, split, stamp }) => [name, split, stamp])]);
  if (key === imageKey) return;
  const request = ++imageRequests;
  const loaded = await Promise.all(runs.map((one) => imageAnswer(one, state.image)));
  if (request !== imageRequests) return; // a later request counts
  answers = loaded;
  imageKey = key;
  error = answers.flatMap((answer) => answer.error ?? []).join("\n");
  renderNotices();
  if (panes.probe) readout.askPixel(runs);
}

/** @type {(run: ShownRun, image: string) => Promise<ImageAnswer>} */
async function imageAnswer(run, image) {
  try {
    return { run, image: await getJson("api/image", { run: run.name, split: run.split, image }) };
  } catch (caught) {
    return { run, image: null, error: /** @type {Error} */ (caught).message };
  }
}

/** @param {ShownRun} run */
function renderImageTitle(run) {
  const chosen = answers[0]?.image?.chosen ?? "";
  byId("image-id").textContent = state.image;
  byId("image-chosen").className = `badge ${["selected", "easy"].includes(chosen) ? "in" : "out"}`;
  byId("image-chosen").textContent = chosen;
  byId("image-chosen").hidden = !chosen;
  byId("image-value").textContent = orderText(run);
  byId("previous").disabled = !gallery.neighbour(-1);
  byId("next").disabled = !gallery.neighbour(1);
}

/** "3 of 500 by mean entropy of road: 12.3 %". @param {ShownRun} run */
function orderText(run) {
  const image = gallery.current();
  if (!image) return "";
  const ofClass = sortedBy(run) ? ` of ${sortedBy(run)}` : "";
  const asClass = takenFor(run) ? ` as ${takenFor(run)}` : "";
  const value = sortName() === "order" ? "" : `: ${gallery.valueText(image)}`;
  const place = `${gallery.position() + 1} of ${gallery.all().length}`;
  return `${place} by ${sortOrder().title}${ofClass}${asClass}${value}`;
}

/** @type {(run: ShownRun, details: ImageDetails) => void} */
function renderLegend(run, details) {
  const present = new Set(details.classes.map(({ name }) => name));
  const items = run.classes.filter(({ name }) => present.has(name)).map(legendItem);
  replaceKeepingFocus(byId("legend"), items);
}

/** @param {ClassColour} one */
function legendItem({ name, colour }) {
  const isAlone = state.only === name;
  const onclick = () => change({ only: isAlone ? "" : name });
  const properties = { type: "button", "data-key": name, "aria-pressed": isAlone, onclick };
  return html("li", {}, html("button", properties, swatch(colour), name));
}

/** @param {ShownRun} run */
async function renderClassTable(run) {
  if (state.tab !== "classes") return;
  const other = run.split === "evaluation" ? (otherRun()?.name ?? run.previous ?? "") : "";
  const key = JSON.stringify([run.split, run.name, run.stamp, other, otherStamp(run, other)]);
  const draw = () =>
    run.split === "evaluation"
      ? renderErrors(run, other, classTables.get(key), error)
      : renderClasses(run, classTables.get(key), error);
  if (!classTables.has(key)) {
    byId("panel").replaceChildren(paragraph("Counting pixels…", "quiet"));
    await attempt(async () => {
      const table = await getJson("api/classes", { run: run.name, split: run.split, against: other });
      classTables = new Map([[key, table]]);
    });
  }
  draw();
}

/** Ask for the neighbours' pictures before they are shown. @type {(run: ShownRun, other: ShownRun | null) => void} */
function prefetch(run, other) {
  const available = availableLayers(run, other);
  const layers = [...shownLayers().keys()].filter((name) => available.has(name) && name !== "patches");
  for (const image of [gallery.neighbour(1), gallery.neighbour(-1)]) {
    if (!image) continue;
    for (const name of layers.filter((layer) => !DIFFERENCES.includes(layer))) {
      const only = name === "entropy" ? "" : onlyOf(run);
      new Image().src = pictureUrl("picture", name, run, image.id, { only });
    }
  }
}

// ----------------------------------------------------------------------------------------------------- buttons and keys

/** @param {number} count */
function stepImage(count) {
  const image = gallery.neighbour(count);
  if (image) change({ image: image.id, view: "" });
}

function openImage() {
  const image = gallery.current() ?? gallery.all()[0];
  if (image) change({ image: image.id, view: "" });
}

const openGallery = () => change({ view: state.image ? "gallery" : "" });

/** @param {typeof SPLITS[number]} split */
const switchSplit = (split) => change(split === state.split ? {} : { split, image: "", view: "", px: "" });

/** @param {string} name */
const switchRun = (name) => change({ run: name, vs: name === state.vs ? "" : state.vs });

/** @param {number} count */
function stepRun(count) {
  const runs = shownRuns();
  const index = runs.findIndex((run) => run.name === state.run);
  const next = runs[(index + count + runs.length) % runs.length];
  if (next) switchRun(next.name);
}

function toggleComparison() {
  const first = shownRuns().find((run) => run.name !== state.run);
  change({ vs: state.vs ? "" : (currentRun()?.previous ?? first?.name ?? "") });
}

const exchangeRuns = () => {
  if (state.vs) change({ run: state.vs, vs: state.run });
};

function stepTab(count = 1) {
  const { TABS } = readout;
  change({ tab: TABS[(TABS.indexOf(state.tab) + count + TABS.length) % TABS.length] });
}

function escape() {
  if (state.px || state.only) change({ px: "", only: "" });
  else if (isOnImage()) openGallery();
}

/** @type {Record<string, () => void>} */
const KEYS = {
  g: openGallery,
  Enter: openImage,
  k: () => change({ stack: state.stack ? "" : "1" }),
  c: toggleComparison,
  e: () => switchSplit(state.split === "target" ? "evaluation" : "target"),
  "/": () => byId("find").focus(),
  x: exchangeRuns,
  r: () => stepRun(1),
  R: () => stepRun(-1),
  "+": () => panes.zoomBy(ZOOM_STEP),
  "=": () => panes.zoomBy(ZOOM_STEP),
  "-": () => panes.zoomBy(1 / ZOOM_STEP),
  f: panes.showAll,
  w: () => panes.moveBy(0, -0.2),
  s: () => panes.moveBy(0, 0.2),
  a: () => panes.moveBy(-0.2, 0),
  d: () => panes.moveBy(0.2, 0),
  p: () => panes.hold(state.px ? null : panes.probe),
  t: () => stepTab(),
  "[": () => stepOpacity(-0.1),
  "]": () => stepOpacity(0.1),
  "?": () => byId("help").showModal(),
  Escape: escape,
};
/** @type {Record<string, [x: number, y: number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

addEventListener("keydown", (event) => {
  const target = /** @type {Element} */ (event.target);
  const isInField = target.closest("select, input") && event.key !== "Escape";
  if (byId("help").open || event.ctrlKey || event.metaKey || isInField) return;
  if (event.key === "Enter" && target.closest("a, button")) return;
  const run = currentRun();
  if (!run?.has_images) return;
  const action = event.key in ARROWS ? arrowAction(event, target, run) : keyAction(event);
  if (!action) return;
  action();
  event.preventDefault();
});

/** @type {(event: KeyboardEvent, target: Element, run: ShownRun) => (() => void) | undefined} */
function arrowAction(event, target, run) {
  const [x, y] = ARROWS[event.key];
  const pixels = event.altKey ? 10 : 1;
  if (target.closest('[role="tablist"]')) return () => focusNextTab(x);
  if (isOnImage() && event.shiftKey) return () => panes.moveProbe(run, x * pixels, y * pixels);
  if (event.altKey) return undefined;
  if (!isOnImage()) return () => gallery.moveFocus(event.key);
  return x ? () => stepImage(x) : undefined;
}

/** @param {number} count */
function focusNextTab(count) {
  stepTab(count);
  byId(`tab-${state.tab}`).focus();
}

/** @type {(event: KeyboardEvent) => (() => void) | undefined} */
function keyAction({ key, altKey }) {
  if (isOnImage() && /^[0-9]$/.test(key)) return toggleByKey(key);
  return altKey ? undefined : KEYS[key];
}

/** @param {string} key */
function toggleByKey(key) {
  const layer = layersOfSplit()[(Number(key) + 9) % 10];
  return layer && (() => toggleLayer(layer[0]));
}

/** Write the ids that are shown, one a line, as the browser's downloads are. */
function exportIds() {
  const href = URL.createObjectURL(new Blob([gallery.shownIds()], { type: "text/plain" }));
  html("a", { href, download: `${state.run}-${state.split}-ids.txt` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

async function importIds() {
  const file = byId("ids-file").files?.[0];
  byId("ids-file").value = ""; // the same file may be chosen again
  if (!file) return;
  gallery.setList(await file.text());
  await render();
}

function clearIds() {
  gallery.setList(null);
  render();
}

function connect() {
  byId("run").onchange = () => switchRun(byId("run").value);
  byId("against").onchange = () => change({ vs: byId("against").value });
  byId("sort").onchange = () => change({ sort: byId("sort").value, rev: "" });
  byId("find").oninput = () => change({ find: byId("find").value });
  byId("ids-file").onchange = importIds;
  for (const name of /** @type {const} */ (["of", "as", "show", "thumb"])) {
    byId(name).onchange = () => change({ [name]: byId(name).value });
  }
  const clicks = {
    "to-gallery": openGallery,
    "to-image": openImage,
    "to-help": () => byId("help").showModal(),
    "help-close": () => byId("help").close(),
    "split-target": () => switchSplit("target"),
    "split-evaluation": () => switchSplit("evaluation"),
    "ids-export": exportIds,
    "ids-import": () => byId("ids-file").click(),
    "ids-clear": clearIds,
    reverse: () => change({ rev: state.rev ? "" : "1" }),
    apart: () => change({ stack: "" }),
    stacked: () => change({ stack: "1" }),
    "zoom-in": () => panes.zoomBy(ZOOM_STEP),
    "zoom-out": () => panes.zoomBy(1 / ZOOM_STEP),
    "zoom-fit": panes.showAll,
    previous: () => stepImage(-1),
    next: () => stepImage(1),
  };
  for (const [id, action] of Object.entries(clicks)) byId(id).onclick = action;
  for (const split of SPLITS) byId(`split-${split}`).title = WORDS[split];
  byId("words").append(...glossary());
  for (const name of readout.TABS) byId(`tab-${name}`).onclick = () => change({ tab: name });
}

onChange((before) => {
  if (!isLoaded) return;
  if (before.px && !state.px) panes.setProbe(null);
  const names = /** @type {(keyof typeof state)[]} */ (Object.keys(state));
  const changed = names.filter((name) => before[name] !== state[name]);
  const isViewOnly = changed.length > 0 && changed.every((name) => name === "z" || name === "at");
  if (state.find !== before.find) gallery.choose();
  if (isViewOnly) panes.updateView();
  else if (state.split !== before.split) refresh();
  else render();
});
panes.onProbe(() => readout.askPixel(runsOnPage()));

connect();
readAddress();
await refresh();
document.body.dataset.ready = "true";
setInterval(() => document.hidden || refresh(), REFRESH_MS);
