// The page: what the address says is drawn; keys, buttons and the passing of time change the address or ask again.

import { ask, know, otherStamp, picture } from "./api.js";
import { onlyOf, sortedBy } from "./choices.js";
import { $, make, options, swatch } from "./dom.js";
import * as gallery from "./gallery.js";
import * as layers from "./layers.js";
import * as panes from "./panes.js";
import * as readout from "./readout.js";
import { change, onChange, read, state } from "./state.js";

const LOOK_AGAIN = 2500;
let workspace = null, problem = "", galleryFor = "", measuring = false, imageFor = "", imageTurn = 0, found = [], tables = new Map();

const runOf = (name) => workspace?.runs.find((run) => run.name === name);
const run = () => runOf(state.run);
const other = () => (state.vs && state.vs !== state.run && runOf(state.vs)?.has_cache ? runOf(state.vs) : null);
const onImage = () => Boolean(state.image) && state.view !== "gallery";

async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    problem = error.message;
    renderNotices();
    return false;
  }
}

// --------------------------------------------------------------------------------------------------------------- drawing

async function look() {
  await attempt(async () => {
    workspace = await ask("/api/workspace");
    know(workspace.runs);
    problem = "";
  });
  if (workspace) await render();
}

async function render() {
  if (!state.run || !run()) {
    const first = workspace.runs.findLast((one) => one.writing && one.has_cache) ?? workspace.runs.findLast((one) => one.has_cache) ?? workspace.runs[0];
    if (state.run && !run()) problem = `There is no run "${state.run}".`;
    if (first && !state.run) return change({ run: first.name });
  }
  renderHeader();
  renderNotices();
  const here = run();
  const shown = Boolean(here?.has_cache);
  document.body.classList.toggle("on-image", shown && onImage());
  $("gallery").hidden = shown && onImage();
  $("image").hidden = !shown || !onImage();
  if (!shown) {
    gallery.forget();
    galleryFor = "";
    return undefined;
  }
  gallery.renderTools(workspace, here);
  await loadGallery(here);
  if (onImage()) await renderImage(here);
  else gallery.renderTiles();
  return undefined;
}

async function loadGallery(here) {
  const key = JSON.stringify([here.name, here.stamp, state.sort, state.of, state.rev, state.show, ...(state.sort === "change" ? [state.vs, otherStamp(here, state.vs)] : [])]);
  if (key === galleryFor && !measuring) return;
  await attempt(async () => {
    measuring = await gallery.load(here);
    galleryFor = key;
  });
}

function renderHeader() {
  const here = run();
  const entries = workspace.runs.map((one) => [one.name, one.has_cache ? `${one.name}${one.method ? ` (${one.method})` : ""}${one.writing ? " – being written" : ""}` : `${one.name} – no cache`]);
  options($("run"), entries, state.run);
  const beside = workspace.runs.filter((one) => one.name !== state.run && one.has_cache).map((one) => [one.name, one.name]);
  options($("against"), [["", "nothing"], ...beside], other()?.name ?? "");
  $("to-gallery").setAttribute("aria-pressed", !onImage());
  $("to-image").setAttribute("aria-pressed", onImage());
  const parts = [];
  if (here?.has_cache) {
    parts.push(make("b", { textContent: `${here.images.toLocaleString("en")} images` }));
    if (here.network) parts.push(" · cache of ", make("b", { textContent: here.network }));
    if (here.images < here.images_of_all) parts.push(` · ${here.writing ? "being written, " : ""}${here.images} of ${here.images_of_all} are there`);
    if (here.method) parts.push(` · ${here.selected} ${here.hard ? `easy, ${here.hard} hard` : "selected"}`);
  }
  $("summary").replaceChildren(...parts);
  $("summary").title = here?.has_cache ? `of ${here.size[0]}×${here.size[1]} pixels, ${here.classes.length} classes` : "";
  document.title = [onImage() ? state.image : "", state.run, "Roundabout"].filter(Boolean).join(" · ");
}

function renderNotices() {
  const words = [problem, workspace?.problem, ...(run()?.problems ?? []), run()?.has_cache ? workspace.images_problem : ""].filter(Boolean).join("\n");
  if ($("notices").textContent !== words) $("notices").textContent = words;
}

async function renderImage(here) {
  const beside = other();
  layers.renderChips(here, beside);
  $("apart").setAttribute("aria-pressed", !state.stack);
  $("stacked").setAttribute("aria-pressed", Boolean(state.stack));
  const asked = state.image;
  await loadImage(here, beside);
  if (asked !== state.image || here !== run()) return;
  const image = gallery.current();
  $("image-id").textContent = state.image;
  const chosen = found[0]?.[1]?.chosen ?? "";
  $("image-chosen").className = `badge ${["selected", "easy"].includes(chosen) ? "in" : "out"}`;
  $("image-chosen").textContent = chosen;
  $("image-chosen").hidden = !chosen;
  const order = workspace.orders[state.sort]?.title ?? "";
  $("image-value").textContent = image ? `${gallery.position() + 1} of ${gallery.all().length} by ${order}${sortedBy(here) ? ` of ${sortedBy(here)}` : ""}${state.sort === "order" ? "" : `: ${gallery.valueText(image)}`}` : "";
  $("previous").disabled = !gallery.neighbour(-1);
  $("next").disabled = !gallery.neighbour(1);
  if (found.length && found[0][1]) {
    panes.readProbe(here);
    panes.render(here, beside, Object.fromEntries(found.map(([one, answer]) => [one.name, answer?.patches ?? []])));
    renderLegend(here);
  } else panes.forget();
  gallery.renderFilm();
  readout.renderTabs();
  readout.renderImage(found);
  await renderClassTable(here);
  prefetch(here, beside);
}

async function loadImage(here, beside) {
  const runs = beside ? [here, beside] : [here];
  const key = JSON.stringify([state.image, ...runs.map((one) => [one.name, one.stamp])]);
  if (key === imageFor) return;
  const turn = ++imageTurn;
  const answers = await Promise.all(runs.map(async (one) => {
    try {
      return [one, await ask("/api/image", { run: one.name, image: state.image })];
    } catch (error) {
      return [one, null, error.message];
    }
  }));
  if (turn !== imageTurn) return; // another image was asked for meanwhile
  found = answers;
  imageFor = key;
  problem = found.map(([, , words]) => words).filter(Boolean).join("\n");
  renderNotices();
  if (panes.probe) readout.askPixel(here, beside);
}

function renderLegend(here) {
  const present = found[0][1].classes.map(({ name }) => name);
  $("legend").replaceChildren(...here.classes.filter(({ name }) => present.includes(name)).map(({ name, colour }) => make("li", {}, make("button", { type: "button", "aria-pressed": state.only === name, onclick: () => change({ only: state.only === name ? "" : name }) }, swatch(colour), name))));
}

async function renderClassTable(here) {
  if (state.tab !== "classes") return;
  if (!tables.has(here.stamp + here.name)) {
    readout.renderClasses(here, null);
    await attempt(async () => {
      tables = new Map([[here.stamp + here.name, await ask("/api/classes", { run: here.name })]]);
    });
  }
  readout.renderClasses(here, tables.get(here.stamp + here.name), problem);
}

/** The neighbours' pictures are asked for before somebody wants to see them. */
function prefetch(here, beside) {
  const there = layers.available(here, beside);
  for (const step of [1, -1]) {
    const image = gallery.neighbour(step);
    if (!image) continue;
    for (const name of layers.shown().keys()) {
      if (there.has(name) && name !== "patches" && !["change", "entropy-change"].includes(name)) new Image().src = picture("picture", name, here, image.id, { only: name === "entropy" ? "" : onlyOf(here) });
    }
  }
}

// ---------------------------------------------------------------------------------------------------- buttons and keys

function step(count) {
  const image = gallery.neighbour(count);
  if (image) change({ image: image.id, view: "", px: state.px });
}

function open() {
  const image = gallery.current() ?? gallery.all()[0];
  if (image) change({ image: image.id, view: "" });
}

const toGallery = () => change({ view: state.image ? "gallery" : "" });

function turnRound(count) {
  const rounds = workspace.runs.filter((one) => one.has_cache), at = rounds.findIndex((one) => one.name === state.run);
  const next = rounds[(at + count + rounds.length) % rounds.length];
  if (next) change({ run: next.name, vs: next.name === state.vs ? "" : state.vs });
}

function compare() {
  const rounds = workspace.runs.filter((one) => one.has_cache && one.name !== state.run);
  change({ vs: state.vs ? "" : run()?.previous ?? rounds[0]?.name ?? "" });
}

function nextTab(count = 1) {
  const names = ["pixel", "image", "classes"];
  change({ tab: names[(names.indexOf(state.tab) + count + names.length) % names.length] });
}

const KEYS = {
  g: toGallery, Enter: open, k: () => change({ stack: state.stack ? "" : "1" }), c: compare,
  x: () => state.vs && change({ run: state.vs, vs: state.run }), r: () => turnRound(1), R: () => turnRound(-1),
  "+": () => panes.zoomBy(1.5), "=": () => panes.zoomBy(1.5), "-": () => panes.zoomBy(1 / 1.5), f: () => panes.setPlace(1, 0.5, 0.5),
  w: () => panes.moveBy(0, -0.2), s: () => panes.moveBy(0, 0.2), a: () => panes.moveBy(-0.2, 0), d: () => panes.moveBy(0.2, 0),
  p: () => panes.hold(state.px ? null : panes.probe), t: () => nextTab(), "[": () => layers.stepOpacity(-0.1), "]": () => layers.stepOpacity(0.1),
  "?": () => $("help").showModal(), Escape: escape,
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function escape() {
  if (state.px || state.only) change({ px: "", only: "" });
  else if (onImage()) toGallery();
}

addEventListener("keydown", (event) => {
  const field = event.target.closest("select, input");
  if ($("help").open || event.ctrlKey || event.metaKey || (field && event.key !== "Escape") || !run()?.has_cache) return;
  if (event.target.closest("a, button") && event.key === "Enter") return;
  const arrow = ARROWS[event.key];
  if (arrow && event.target.closest('[role="tablist"]')) {
    nextTab(arrow[0]);
    $(`tab-${state.tab}`).focus();
  } else if (arrow && onImage() && event.shiftKey) panes.moveProbe(run(), arrow[0] * (event.altKey ? 10 : 1), arrow[1] * (event.altKey ? 10 : 1));
  else if (arrow && onImage() && arrow[0] && !event.altKey) step(arrow[0]);
  else if (arrow && !onImage() && !event.altKey) gallery.moveFocus(event.key);
  else if (onImage() && /^[0-9]$/.test(event.key)) layers.toggle(layers.LAYERS[(Number(event.key) + 9) % 10][0]);
  else if (KEYS[event.key] && !event.altKey) KEYS[event.key]();
  else return;
  event.preventDefault();
});

function connect() {
  $("run").onchange = () => change({ run: $("run").value, vs: $("run").value === state.vs ? "" : state.vs });
  $("against").onchange = () => change({ vs: $("against").value });
  $("to-gallery").onclick = toGallery;
  $("to-image").onclick = open;
  $("to-help").onclick = () => $("help").showModal();
  $("help-close").onclick = () => $("help").close();
  for (const name of ["sort", "of", "show", "thumb"]) $(name).onchange = () => change({ [name]: $(name).value, ...(name === "sort" ? { rev: "" } : {}) });
  $("reverse").onclick = () => change({ rev: state.rev ? "" : "1" });
  $("apart").onclick = () => change({ stack: "" });
  $("stacked").onclick = () => change({ stack: "1" });
  $("zoom-in").onclick = () => panes.zoomBy(1.5);
  $("zoom-out").onclick = () => panes.zoomBy(1 / 1.5);
  $("zoom-fit").onclick = () => panes.setPlace(1, 0.5, 0.5);
  $("previous").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  for (const name of ["pixel", "image", "classes"]) $(`tab-${name}`).onclick = () => change({ tab: name });
}

onChange((before) => {
  if (!workspace) return;
  if (before.px && !state.px) panes.setProbe(null);
  const light = ["z", "at"].some((name) => before[name] !== state[name]) && Object.keys(state).every((name) => ["z", "at"].includes(name) || before[name] === state[name]);
  if (light) panes.place();
  else render();
});
panes.onProbe(() => run() && readout.askPixel(run(), other()));

connect();
read();
await look();
document.body.dataset.ready = "true";
setInterval(() => document.hidden || look(), LOOK_AGAIN);
