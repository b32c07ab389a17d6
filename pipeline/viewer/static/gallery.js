// The gallery: every image that is there, in an order; and the film strip of the same.

import { getJson, otherStamp, pictureUrl } from "./api.js";
import { showOf, showsOf, sortedBy } from "./choices.js";
import { byId, html, setOptions, setState } from "./dom.js";
import { titleOf } from "./layers.js";
import { clamp, percent, short } from "./numbers.js";
import { addressWith, change, state } from "./state.js";

const PAGE = 60; // tiles that are added at once
const FILM_SIDE = 5; // images of the film strip on each side
const THUMBNAILS = ["input", "prediction", "entropy", "mask", "pseudo", "label", "errors"];

/** @type {GalleryImage[]} */
let images = [];
/** @type {CachedRun | null} */
let loadedRun = null;
let unit = "percent";
let requests = 0;
let tilesKey = ""; // what the tiles were drawn for
let tilesDrawn = 0;
let filmKey = "";

export const position = () => images.findIndex((image) => image.id === state.image);
/** @returns {GalleryImage | undefined} */
export const current = () => images[position()];
export const all = () => images;

/** The image that is some steps further; none beyond the ends. @type {(step: number) => GalleryImage | undefined} */
export function neighbour(step) {
  const index = position();
  return index < 0 ? images[0] : images[index + step];
}

/** Ask for the order of images. @param {CachedRun} run @returns {Promise<boolean>} whether values are still measured */
export async function load(run) {
  const request = ++requests;
  /** @type {Gallery} */
  const answer = await getJson("api/gallery", {
    run: run.name,
    sort: state.sort,
    of: sortedBy(run),
    reverse: state.rev,
    show: showOf(run),
    against: state.sort === "change" ? state.vs : "",
  });
  if (request !== requests) return false; // a later request counts
  images = answer.images;
  loadedRun = run;
  byId("gallery-words").textContent = answer.words || `${images.length.toLocaleString("en")} images`;
  return answer.words.startsWith("Measuring");
}

export function clear() {
  images = [];
  loadedRun = null;
  tilesKey = "";
  byId("tiles").replaceChildren();
  byId("gallery-words").textContent = "";
}

// ------------------------------------------------------------------------------------------------------------ the tools

/** @type {(workspace: Workspace, run: CachedRun) => void} */
export function renderTools(workspace, run) {
  const order = workspace.orders[state.sort] ?? Object.values(workspace.orders)[0];
  unit = order.unit;
  renderSort(workspace, run);
  setOptions(byId("of"), [["", "all"], ...named(run.classes.map(({ name }) => name))], sortedBy(run));
  byId("of").disabled = !order.of_class;
  setState(byId("reverse"), "aria-pressed", state.rev === "1");
  setOptions(byId("show"), [["", "all"], ...named(showsOf(run))], showOf(run));
  renderThumbnailChoice(run);
}

/** Options whose text is their value. @type {(names: string[]) => [string, string][]} */
const named = (names) => names.map((name) => [name, name]);

/** @type {(workspace: Workspace, run: CachedRun) => void} */
function renderSort(workspace, run) {
  /** @type {Record<string, boolean>} */
  const impossible = {
    change: !run.previous && !state.vs,
    iou: !run.layers.includes("label"),
    kept: !run.method,
    selected: !run.method,
    score: !run.method,
  };
  const orders = Object.entries(workspace.orders);
  /** @type {[string, string, boolean][]} */
  const entries = orders.map(([name, order]) => [name, order.title, impossible[name]]);
  setOptions(byId("sort"), entries, state.sort);
}

/** @param {CachedRun} run */
function renderThumbnailChoice(run) {
  const layers = THUMBNAILS.filter((name) => run.layers.includes(name));
  if (run.previous || state.vs) layers.push("change");
  /** @type {[string, string][]} */
  const entries = layers.map((name) => [name, titleOf(name)]);
  setOptions(byId("thumb"), entries, thumbnailLayer(run));
}

/** @type {(run: CachedRun) => string} */
const thumbnailLayer = (run) =>
  run.layers.includes(state.thumb) || state.thumb === "change" ? state.thumb : "prediction";

// ------------------------------------------------------------------------------------------------------------ the tiles

/** @param {GalleryImage | undefined} image */
export function valueText(image) {
  if (!image || image.value === null) return "–";
  if (unit === "percent") return percent(image.value);
  return unit === "rank" ? `no. ${image.value}` : short(image.value);
}

/** @type {(run: CachedRun, image: GalleryImage, isSmall: boolean) => HTMLElement} */
function tile(run, image, isSmall) {
  const layer = thumbnailLayer(run);
  const src = pictureUrl("thumbnail", layer, run, image.id, { against: layer === "change" ? state.vs : "" });
  const link = html(
    "a",
    {
      className: "tile",
      href: addressWith({ image: image.id, view: "" }),
      title: image.id,
      "data-id": image.id,
      "aria-label": `${image.id}, ${valueText(image)}${image.chosen ? `, ${image.chosen}` : ""}`,
    },
    html("img", { alt: "", loading: "lazy", decoding: "async", src }),
  );
  if (!isSmall) link.append(tileCaption(image));
  link.style.setProperty("--aspect", String(run.size[1] / run.size[0]));
  setState(link, "aria-current", image.id === state.image);
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser opens a tab or window
    event.preventDefault();
    change({ image: image.id, view: "" });
  };
  return html("li", {}, link);
}

/** @param {GalleryImage} image */
function tileCaption(image) {
  const isInside = image.chosen === "selected" || image.chosen === "easy";
  const caption = html(
    "span",
    { className: "caption" },
    html("span", { className: "id" }, html("bdi", { textContent: image.id })),
    html("span", { className: "num", textContent: valueText(image) }),
  );
  if (isInside || image.chosen === "hard") {
    caption.append(html("span", { className: `badge ${isInside ? "in" : "out"}`, textContent: image.chosen }));
  }
  return caption;
}

const tileLinks = () => [...byId("tiles").querySelectorAll("a")];

export function renderTiles() {
  if (!loadedRun) return;
  const key = JSON.stringify([
    ...[loadedRun.name, loadedRun.stamp, state.sort, state.of, state.rev, state.show, state.thumb],
    ...[state.vs, otherStamp(loadedRun, state.vs), images.map((image) => [image.id, image.value])],
  ]);
  if (key !== tilesKey) drawTiles(key, loadedRun);
  for (const link of tileLinks()) setState(link, "aria-current", link.dataset.id === state.image);
}

/**
 * Draw as many tiles as before, and give the keyboard's focus back to its image.
 *
 * @type {(key: string, run: CachedRun) => void}
 */
function drawTiles(key, run) {
  const isSameRun = tilesKey && JSON.parse(tilesKey)[0] === run.name;
  const count = isSameRun ? Math.max(PAGE, tilesDrawn) : PAGE;
  const focused = tileLinks().find((link) => link === document.activeElement)?.dataset.id;
  tilesKey = key;
  tilesDrawn = 0;
  byId("tiles").replaceChildren();
  if (!images.length) byId("tiles").append(html("li", { className: "empty", textContent: "There is no such image." }));
  appendTiles(run, Math.max(count, 1 + images.findIndex((image) => image.id === focused)));
  const link = tileLinks().find((one) => one.dataset.id === focused);
  link?.focus({ preventScroll: true });
  observeEnd();
}

/** @type {(run: CachedRun, count: number) => void} */
function appendTiles(run, count) {
  const next = images.slice(tilesDrawn, tilesDrawn + count);
  byId("tiles").append(...next.map((image) => tile(run, image, false)));
  tilesDrawn += next.length;
}

const endObserver = new IntersectionObserver(
  (entries) => {
    if (!loadedRun || !entries.some((entry) => entry.isIntersecting) || tilesDrawn >= images.length) return;
    appendTiles(loadedRun, PAGE);
    observeEnd();
  },
  { rootMargin: "800px" },
);

/** An observer reports changes only: where the end is still in sight, as on a large screen, observe it anew. */
function observeEnd() {
  endObserver.unobserve(byId("tiles-end"));
  endObserver.observe(byId("tiles-end"));
}

/** Move the focus among the tiles: one left or right, or a row up or down. @param {string} key */
export function moveFocus(key) {
  const links = tileLinks();
  if (!links.length) return;
  const index = links.findIndex((link) => link === document.activeElement);
  const columns = getComputedStyle(byId("tiles")).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key] ?? 0;
  links[index < 0 ? 0 : clamp(index + step, 0, links.length - 1)].focus();
}

// ------------------------------------------------------------------------------------------------------- the film strip

export function renderFilm() {
  const film = byId("film");
  const run = loadedRun;
  const index = position();
  if (!run || index < 0) return film.replaceChildren();
  const first = Math.max(0, Math.min(index - FILM_SIDE, images.length - 2 * FILM_SIDE - 1));
  const strip = images.slice(first, first + 2 * FILM_SIDE + 1);
  const ids = strip.map(({ id }) => id);
  const stamps = [run.stamp, otherStamp(run, state.vs)];
  const key = JSON.stringify([run.name, ...stamps, state.image, thumbnailLayer(run), ids]);
  if (key === filmKey && film.children.length) return;
  filmKey = key;
  film.replaceChildren(...strip.map((image) => tile(run, image, true)));
  const link = [...film.querySelectorAll("a")].find((one) => one.dataset.id === state.image);
  if (link) film.scrollLeft = link.offsetLeft - film.clientWidth / 2 + 56;
}
