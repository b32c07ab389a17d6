// The gallery: every image that is there, in an order; and the film strip of the same.

import { getJson, otherStamp, pictureUrl } from "./api.js";
import { showOf, showsOf, sortedBy, sortName, sortOrder, takenFor } from "./choices.js";
import { byId, html, setOptions, setState } from "./dom.js";
import { titleOf } from "./layers.js";
import { clamp, counted, percent, points, short } from "./numbers.js";
import { addressWith, change, state } from "./state.js";
import { WORDS } from "./words.js";

const PAGE = 60; // tiles that are added at once
const FILM_SIDE = 5; // images of the film strip on each side
const THUMBNAILS = ["input", "prediction", "entropy", "mask", "pseudo", "label", "errors"]; // and differences, where there is another run

/** @type {GalleryImage[]} */
let images = [];
/** @type {ShownRun | null} */
let loadedRun = null;
/** What the server sent, before the search and the list of ids. @type {GalleryImage[]} */
let received = [];
/** Ids that were read from a file: only these are shown. @type {Set<string> | null} */
let listed = null;
let message = "";
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

/** Ask for the order of images. @param {ShownRun} run @returns {Promise<boolean>} whether values are still measured */
export async function load(run) {
  const request = ++requests;
  /** @type {Gallery} */
  const answer = await getJson("api/gallery", {
    run: run.name,
    split: run.split,
    sort: sortName(),
    of: sortedBy(run),
    taken_for: takenFor(run),
    reverse: state.rev,
    show: showOf(run),
    against: state.vs,
  });
  if (request !== requests) return false; // a later request counts
  [received, message, loadedRun] = [answer.images, answer.words, run];
  choose();
  return answer.words.startsWith("Measuring");
}

/** Keep the images that the search and the list of ids name. */
export function choose() {
  const part = state.find.trim().toLowerCase();
  const isChosen = (/** @type {GalleryImage} */ { id }) =>
    id.toLowerCase().includes(part) && (listed === null || listed.has(id));
  images = received.filter(isChosen);
  const count = counted(images.length, "image");
  byId("gallery-words").textContent = [message || count, listedWords()].filter(Boolean).join(" · ");
  byId("ids-clear").hidden = listed === null;
}

function listedWords() {
  if (listed === null) return "";
  const there = received.filter(({ id }) => listed?.has(id)).length;
  const missing = listed.size - there;
  return `list of ${counted(listed.size, "id")}${missing ? `: ${missing} not among these images` : ""}`;
}

/** The ids that are shown, one a line. */
export const shownIds = () => images.map(({ id }) => `${id}\n`).join("");

/** Show only the images of a list of ids, one a line; null ends it. @param {string | null} text */
export function setList(text) {
  listed =
    text === null
      ? null
      : new Set(
          text
            .split(/\r?\n/)
            .map((line) => line.trim())
            .filter(Boolean),
        );
  choose();
}

export function clear() {
  [images, received, loadedRun, tilesKey] = [[], [], null, ""];
  byId("tiles").replaceChildren();
  byId("gallery-words").textContent = "";
}

// ------------------------------------------------------------------------------------------------------------ the tools

/** @type {(workspace: Workspace, run: ShownRun) => void} */
export function renderTools(workspace, run) {
  const order = sortOrder();
  const classes = named(run.classes.map(({ name }) => name));
  renderSort(workspace, run);
  byId("sort-about").textContent = `${order.title}: ${order.about}`;
  setOptions(byId("of"), [["", order.pairs ? "any class" : "all"], ...classes], sortedBy(run));
  byId("of").disabled = !order.of_class;
  byId("of-title").textContent = order.pairs ? "labelled" : "of class";
  setOptions(byId("as"), [["", "any class"], ...classes], takenFor(run));
  byId("as-label").hidden = !order.pairs;
  setState(byId("reverse"), "aria-pressed", state.rev === "1");
  setOptions(byId("show"), [["", "all"], ...named(showsOf(run))], showOf(run));
  byId("show").disabled = !showsOf(run).length;
  if (document.activeElement !== byId("find")) byId("find").value = state.find;
  renderThumbnailChoice(run);
}

/** Options whose text is their value. @type {(names: string[]) => [string, string][]} */
const named = (names) => names.map((name) => [name, name]);

/** @type {(workspace: Workspace, run: ShownRun) => void} */
function renderSort(workspace, run) {
  const isTarget = run.split === "target";
  /** @type {Record<string, boolean>} */
  const impossible = {
    change: !run.previous && !state.vs,
    iou: !run.layers.includes("label"),
    kept: isTarget && !run.method,
    selected: isTarget && !run.method,
    score: isTarget && !run.method,
  };
  const orders = Object.entries(workspace.orders);
  /** @type {[string, string, boolean][]} */
  const entries = orders.map(([name, order]) => [name, order.title, impossible[name]]);
  setOptions(byId("sort"), entries, sortName());
}

/** @param {ShownRun} run */
function renderThumbnailChoice(run) {
  const layers = THUMBNAILS.filter((name) => run.layers.includes(name));
  if (run.previous || state.vs) layers.push(...differences(run));
  /** @type {[string, string][]} */
  const entries = layers.map((name) => [name, titleOf(name)]);
  setOptions(byId("thumb"), entries, thumbnailLayer(run));
}

/** @param {ShownRun} run */
const differences = (run) => (run.split === "evaluation" ? ["change", "gain"] : ["change"]);

/** @type {(run: ShownRun) => string} */
const thumbnailLayer = (run) =>
  run.layers.includes(state.thumb) || differences(run).includes(state.thumb) ? state.thumb : "prediction";

// ------------------------------------------------------------------------------------------------------------ the tiles

/** @param {GalleryImage | undefined} image */
export function valueText(image) {
  if (!image || image.value === null) return "–";
  const { unit } = sortOrder();
  if (unit === "percent") return percent(image.value);
  if (unit === "points") return points(image.value);
  return unit === "rank" ? `no. ${image.value}` : short(image.value);
}

/** @type {(run: ShownRun, image: GalleryImage, isSmall: boolean) => HTMLElement} */
function tile(run, image, isSmall) {
  const layer = thumbnailLayer(run);
  const src = pictureUrl("thumbnail", layer, run, image.id, {
    against: differences(run).includes(layer) ? state.vs : "",
  });
  const link = html(
    "a",
    {
      className: "tile",
      href: addressWith({ image: image.id, view: "" }),
      title: image.id,
      "data-id": image.id,
      "data-key": image.id,
      "aria-label": [image.id, valueText(image), ...badges(image).map(({ text }) => text)].join(" "),
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
  return html(
    "span",
    { className: "caption" },
    html("span", { className: "id" }, html("bdi", { textContent: image.id })),
    html("span", { className: "num", textContent: valueText(image) }),
    ...badges(image).map(({ text, isGood, title }) =>
      html("span", { className: `badge ${isGood ? "in" : "out"}`, textContent: text, title }),
    ),
  );
}

/** On which side an image is, here and in the round that is compared with. @param {GalleryImage} image */
function badges({ chosen, chosen_there }) {
  const marks = [];
  const isGood = ["selected", "easy", "better"].includes(chosen);
  if (isGood || chosen === "hard" || chosen === "worse")
    marks.push({ text: chosen, isGood, title: WORDS[chosen] ?? null });
  if (chosen_there === "not selected" || chosen_there === "hard") {
    marks.push({ text: `${chosen_there} in ${state.vs}`, isGood: false, title: `${state.vs} does not train on it` });
  }
  return marks;
}

const tileLinks = () => [...byId("tiles").querySelectorAll("a")];

export function renderTiles() {
  if (!loadedRun) return;
  const key = JSON.stringify([
    ...[loadedRun.name, loadedRun.stamp, state.sort, state.of, state.as, state.rev, state.show, state.thumb],
    ...[state.vs, otherStamp(loadedRun, state.vs), images.map(({ id, value }) => [id, value])],
  ]);
  if (key !== tilesKey) drawTiles(key, loadedRun);
  for (const link of tileLinks()) setState(link, "aria-current", link.dataset.id === state.image);
}

/**
 * Draw as many tiles as before, and give the keyboard's focus back to its image.
 *
 * @type {(key: string, run: ShownRun) => void}
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

/** @type {(run: ShownRun, count: number) => void} */
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
