// The gallery: every image that is there, in an order; and the film strip of the same.

import { ask, otherStamp, picture } from "./api.js";
import { showOf, showsOf, sortedBy } from "./choices.js";
import { $, make, options, percent, short } from "./dom.js";
import { titleOf } from "./layers.js";
import { address, change, state } from "./state.js";

const PAGE = 60, BESIDE = 5;
let images = [], unit = "percent", drawn = 0, drawnFor = "", runNow = null, asked = 0;

export const position = () => images.findIndex((image) => image.id === state.image);
export const current = () => images[position()];
export const all = () => images;

/** Asks for the order again; answers whether something is still being measured. */
export async function load(run) {
  const turn = ++asked;
  const answer = await ask("/api/gallery", { run: run.name, sort: state.sort, of: sortedBy(run), reverse: state.rev, show: showOf(run), against: state.sort === "change" ? state.vs : "" });
  if (turn !== asked) return false; // another question was asked meanwhile
  images = answer.images;
  runNow = run;
  $("gallery-words").textContent = answer.words || `${images.length.toLocaleString("en")} images`;
  return answer.words.startsWith("Measuring");
}

export function renderTools(workspace, run) {
  const orders = Object.entries(workspace.orders);
  const layers = new Set(run.layers ?? []);
  const impossible = { change: !run.previous && !state.vs, iou: !layers.has("label"), kept: !run.method, selected: !run.method, score: !run.method };
  options($("sort"), orders.map(([name, order]) => [name, order.title, impossible[name]]), state.sort);
  const order = workspace.orders[state.sort] ?? orders[0][1];
  unit = order.unit;
  options($("of"), [["", "all"], ...(run.classes ?? []).map(({ name }) => [name, name])], sortedBy(run));
  $("of").disabled = !order.of_class;
  $("reverse").setAttribute("aria-pressed", state.rev === "1");
  options($("show"), [["", "all"], ...showsOf(run).map((show) => [show, show])], showOf(run));
  const thumbs = ["input", "prediction", "entropy", "mask", "pseudo", "label", "errors"].filter((name) => layers.has(name));
  if (run.previous || state.vs) thumbs.push("change");
  options($("thumb"), thumbs.map((name) => [name, titleOf(name)]), thumb(run));
}

const thumb = (run) => ((run.layers ?? []).includes(state.thumb) || state.thumb === "change" ? state.thumb : "prediction");

export function valueText(image) {
  if (!image || image.value === null) return "–";
  return unit === "percent" ? percent(image.value) : unit === "rank" ? `no. ${image.value}` : short(image.value);
}

function tile(image, small) {
  const inside = image.chosen === "selected" || image.chosen === "easy";
  const img = make("img", { alt: "", loading: "lazy", decoding: "async", src: picture("thumbnail", thumb(runNow), runNow, image.id, { vs: thumb(runNow) === "change" ? state.vs : "" }) });
  const link = make("a", { className: "tile", href: address({ image: image.id, view: "" }), title: image.id, "data-id": image.id, "aria-label": `${image.id}, ${valueText(image)}${image.chosen ? `, ${image.chosen}` : ""}` }, img);
  const caption = make("span", { className: "caption" }, make("span", { className: "id" }, make("bdi", { textContent: image.id })));
  caption.append(make("span", { className: "num", textContent: valueText(image) }));
  if (image.chosen && (inside || image.chosen === "hard")) caption.append(make("span", { className: `badge ${inside ? "in" : "out"}`, textContent: image.chosen }));
  if (!small) link.append(caption);
  link.style.setProperty("--aspect", runNow.size[1] / runNow.size[0]);
  link.setAttribute("aria-current", image.id === state.image);
  link.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    change({ image: image.id, view: "" });
  };
  return make("li", {}, link);
}

export function renderTiles() {
  if (!runNow) return;
  const key = JSON.stringify([runNow.name, runNow.stamp, state.sort, state.of, state.rev, state.show, state.thumb, state.vs, otherStamp(runNow, state.vs), images.map((image) => [image.id, image.value])]);
  if (key !== drawnFor) {
    const kept = drawnFor && JSON.parse(drawnFor)[0] === runNow.name ? Math.max(PAGE, drawn) : PAGE;
    const focused = $("tiles").contains(document.activeElement) ? document.activeElement.dataset.id : undefined;
    drawnFor = key;
    drawn = 0;
    $("tiles").replaceChildren();
    if (!images.length) $("tiles").append(make("li", { className: "empty", textContent: "No image is to be shown here." }));
    more(Math.max(kept, 1 + images.findIndex((image) => image.id === focused)));
    tileOf(focused)?.focus({ preventScroll: true }); // whoever goes through the tiles by keys stays where they are
    askAgain();
  }
  for (const link of $("tiles").querySelectorAll(".tile")) link.setAttribute("aria-current", link.dataset.id === state.image);
}

const tileOf = (id) => [...$("tiles").querySelectorAll(".tile")].find((link) => link.dataset.id === id);

export function forget() {
  images = [];
  runNow = null;
  drawnFor = "";
  $("tiles").replaceChildren();
  $("gallery-words").textContent = "";
}

function more(count = PAGE) {
  $("tiles").append(...images.slice(drawn, drawn + count).map((image) => tile(image, false)));
  drawn = Math.min(images.length, drawn + count);
}

const observer = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting) || drawn >= images.length) return;
  more();
  askAgain();
}, { rootMargin: "800px" });

/** An observer tells of changes only: where the end is still in sight, as on a large screen, it has to be asked anew. */
function askAgain() {
  observer.unobserve($("tiles-end"));
  observer.observe($("tiles-end"));
}

let filmFor = "";

export function renderFilm() {
  const at = position();
  if (!runNow || at < 0) return $("film").replaceChildren();
  const first = Math.max(0, Math.min(at - BESIDE, images.length - 2 * BESIDE - 1));
  const beside = images.slice(first, first + 2 * BESIDE + 1);
  const key = JSON.stringify([runNow.name, runNow.stamp, state.image, thumb(runNow), otherStamp(runNow, state.vs), beside.map(({ id }) => id)]);
  if (key === filmFor && $("film").children.length) return undefined;
  filmFor = key;
  $("film").replaceChildren(...beside.map((image) => tile(image, true)));
  const here = $("film").querySelector('[aria-current="true"]');
  if (here) $("film").scrollLeft = here.offsetLeft - $("film").clientWidth / 2 + 56;
  return undefined;
}

/** The image so many steps further; none beyond the ends. */
export function neighbour(step) {
  const at = position();
  return at < 0 ? images[0] : images[at + step];
}

/** Moves the focus among the tiles: one left or right, or a row up or down. */
export function moveFocus(key) {
  const tiles = [...$("tiles").querySelectorAll(".tile")];
  if (!tiles.length) return;
  const at = tiles.indexOf(document.activeElement);
  const columns = getComputedStyle($("tiles")).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  tiles[at < 0 ? 0 : Math.min(tiles.length - 1, Math.max(0, at + step))].focus();
}
