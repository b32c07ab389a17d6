// The pictures of one image: panes whose zoom, centre and probe are kept in step.

import { networkTitle, DIFFERENCES, failureReason, otherStamp, pictureUrl } from "./api.js";
import { onlyOf } from "./choices.js";
import { byId, html, svg } from "./dom.js";
import { aboutOf, availableLayers, shownLayers, titleOf } from "./layers.js";
import { clamp } from "./numbers.js";
import { change, state } from "./state.js";

const LARGEST_ZOOM = 32;

/** @type {Pane[]} */
let panes = [];
let panesKey = ""; // what the panes were drawn for
/** The pixel that is read, held or under the pointer. @type {Point | null} */
export let probe = null;
/** @type {(() => void)[]} */
const probeListeners = [];
/** @param {() => void} listener */
export const onProbe = (listener) => probeListeners.push(listener);

/** @param {string} name */
const isDifference = (name) => DIFFERENCES.includes(name);

/**
 * Which panes there are, with their layers from below to above.
 *
 * @type {(run: ShownRun, other: ShownRun | null) => {run: ShownRun, layers: string[]}[]}
 */
function plan(run, other) {
  const available = availableLayers(run, other);
  const layers = [...shownLayers().keys()].filter((name) => available.has(name) && name !== "patches");
  const runs = other ? [run, other] : [run];
  if (state.stack) {
    return runs.map((one) => ({ run: one, layers: layers.filter((name) => one === run || !isDifference(name)) }));
  }
  const names = layers.length ? layers : ["input"];
  const isShared = names.length > 1 && other?.size.join() === run.size.join(); // one input less leaves more room
  const isOnce = (/** @type {string} */ name) => isDifference(name) || (name === "label" && isShared);
  const own = names.filter((name) => !isOnce(name) && !(name === "input" && isShared));
  const planned = own.flatMap((name) => runs.map((one) => ({ run: one, layers: [name] })));
  return [...planned, ...names.filter(isOnce).map((name) => ({ run, layers: [name] }))];
}

/**
 * Draw the panes; ``images`` are the details of the image in each run, by its name.
 *
 * @type {(run: ShownRun, other: ShownRun | null, images: Record<string, ImageDetails | null>) => void}
 */
export function render(run, other, images) {
  const notes = Object.values(images).map((image) => [image?.patches, image?.chosen]);
  const stamps = [run.name, run.stamp, other?.name, otherStamp(run, other?.name)];
  const layers = [...shownLayers().keys()];
  const key = JSON.stringify([...stamps, state.image, state.only, state.stack, layers, notes]);
  if (key !== panesKey) {
    panesKey = key;
    const planned = plan(run, other);
    panes = planned.map((one) => {
      const against = one.run === run ? (other?.name ?? "") : run.name;
      return createPane(one.run, one.layers, against, images[one.run.name] ?? null, other !== null);
    });
    const columns = planned.length === 1 ? 1 : other || planned.length <= 4 ? 2 : 3;
    byId("panes").style.setProperty("--columns", String(columns));
    byId("panes").replaceChildren(...panes.map(({ figure }) => figure));
  }
  updateView();
}

export function clear() {
  panesKey = "";
  byId("panes").replaceChildren();
}

/** @type {(run: ShownRun, layers: string[], against: string, image: ImageDetails | null, isCompared: boolean) => Pane} */
function createPane(run, layers, against, image, isCompared) {
  const boxes = image?.patches ?? [];
  const sheet = html("div", { className: "sheet" });
  const titles = layers.map(titleOf);
  const label = `${titles.join(", ")} of ${state.image} in ${run.name}`;
  const view = html("div", { className: "view", tabIndex: 0, role: "img", "aria-label": label }, sheet);
  view.style.setProperty("--aspect", String(run.size[1] / run.size[0]));
  const hasInput = run.layers.includes("input");
  view.classList.toggle("bare", !hasInput);
  const base = hasInput && !layers.includes("input") ? ["input"] : [];
  /** @type {Pane["pictures"]} */
  const pictures = [...base, ...layers].map((name) => createPicture(view, run, name, against));
  if (shownLayers().has("patches") && boxes.length) pictures.push(patchRectangles(run, boxes));
  sheet.append(...pictures);
  const cross = html("div", { className: "cross", hidden: true });
  view.append(cross);
  listen(view, run);
  const isOfRun = layers.some((name) => name !== "input" && name !== "label");
  const whose = layers.some(isPredicted) ? networkTitle(run.name) : run.name;
  const outside = image && ["not selected", "hard"].includes(image.chosen) ? image.chosen : "";
  const caption = html(
    "figcaption",
    {},
    html("b", { textContent: titles.join(" + ") }),
    isCompared && outside && layers.some(isSelected) ? notSelected(run.name, outside) : null,
    isCompared && isOfRun ? html("span", { className: "whose", title: whose, textContent: whose }) : null,
    legend(layers, run, against || (run.previous ?? "")),
  );
  const about = layers.length === 1 ? aboutOf(layers[0]) : "";
  return {
    figure: html("figure", { className: "pane", title: about }, caption, view),
    view,
    sheet,
    pictures,
    cross,
    run,
  };
}

/** Whether a layer shows what a network predicts: there it matters whose network it is. @param {string} name */
const isPredicted = (name) => ["prediction", "entropy", "errors", ...DIFFERENCES].includes(name);

/** Whether a layer shows what a round trains on. @param {string} name */
const isSelected = (name) => name === "mask" || name === "pseudo";

/** The mark of an image that a round does not train on. @type {(run: string, chosen: string) => HTMLElement} */
const notSelected = (run, chosen) =>
  html("span", {
    className: "badge out",
    title: `${run} does not train on this image: the picture shows what its thresholds would keep`,
    textContent: `${chosen}: not trained on`,
  });

/** @type {(view: HTMLElement, run: ShownRun, layer: string, against: string) => HTMLImageElement} */
function createPicture(view, run, layer, against) {
  const src = pictureUrl("picture", layer, run, state.image, {
    against: isDifference(layer) ? against : "",
    only: layer === "entropy" ? "" : onlyOf(run),
  });
  const image = html("img", { alt: "", draggable: false, src, "data-layer": layer });
  image.onerror = async () => {
    image.classList.add("failed");
    view.append(html("p", { className: "failure", textContent: await failureReason(src) }));
  };
  return image;
}

/** @type {(run: ShownRun, boxes: Box[]) => SVGSVGElement} */
function patchRectangles(run, boxes) {
  const [height, width] = run.size;
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    preserveAspectRatio: "none",
    "aria-hidden": "true",
    "data-layer": "patches",
  });
  boxes.forEach((box, index) => {
    const rectangle = { x: box.left, y: box.top, width: box.width, height: box.height };
    const text = svg("text", { x: box.left + height / 40, y: box.top + height / 14, "font-size": height / 16 });
    text.textContent = String(index + 1);
    drawing.append(
      svg("rect", { class: "patch under", ...rectangle }),
      svg("rect", { class: "patch", ...rectangle }),
      text,
    );
  });
  return drawing;
}

/** What the colours of a pane mean. @type {(layers: string[], run: ShownRun, against: string) => HTMLElement | null} */
function legend(layers, run, against) {
  if (layers.includes("entropy")) {
    const largest = `ln C = ${Math.log(run.classes.length).toFixed(2)} nats`;
    return html("span", { className: "scale" }, "0", html("i"), largest);
  }
  if (layers.includes("entropy-change")) {
    return html("span", { className: "scale change" }, `surer than ${against}`, html("i"), "less sure");
  }
  if (layers.includes("change")) {
    return html("span", { textContent: `against ${against}; unchanged is dark` });
  }
  if (layers.includes("gain")) {
    return html("span", { textContent: `blue: right only here, orange: only with ${against}` });
  }
  if (layers.includes("mask")) return html("span", { textContent: "dark: dropped" });
  if (layers.includes("errors")) return html("span", { textContent: "orange: wrong, dark: not labelled" });
  return null;
}

// ------------------------------------------------------------------------------------------------------ zoom and centre

const zoom = () => clamp(Number(state.z) || 1, 1, LARGEST_ZOOM);

/** The centre of what is visible, in shares of the image. @returns {Point} */
function centre() {
  const [x, y] = state.at.split(",").map(Number);
  return { x: inBounds(Number.isFinite(x) ? x : 0.5, zoom()), y: inBounds(Number.isFinite(y) ? y : 0.5, zoom()) };
}

/** The nearest centre for which a zoomed view ends within the image. @type {(value: number, zoom: number) => number} */
const inBounds = (value, zoom) => clamp(value, 0.5 / zoom, 1 - 0.5 / zoom);

/** Bring zoom, centre, opacity and probe of all panes up to date. */
export function updateView() {
  const scale = zoom();
  const { x, y } = centre();
  const opacities = shownLayers();
  const [left, top] = [50 - 100 * x * scale, 50 - 100 * y * scale];
  for (const pane of panes) {
    pane.sheet.style.transform = `translate(${left}%, ${top}%) scale(${scale})`;
    for (const picture of pane.pictures) {
      picture.style.opacity = String(opacities.get(picture.dataset.layer ?? "") ?? 1);
    }
    updateCross(pane, left, top);
    pane.view.style.cursor = scale > 1 ? "grab" : "crosshair";
  }
  byId("zoom-fit").textContent = scale === 1 ? "Fit" : `${scale < 10 ? scale.toFixed(1) : Math.round(scale)}×`;
}

/** @type {(pane: Pane, left: number, top: number) => void} */
function updateCross({ cross, run }, left, top) {
  cross.hidden = !probe;
  if (!probe) return;
  const [height, width] = run.size;
  cross.style.left = `${left + (100 * zoom() * (probe.x + 0.5)) / width}%`;
  cross.style.top = `${top + (100 * zoom() * (probe.y + 0.5)) / height}%`;
  cross.classList.toggle("held", Boolean(state.px));
}

/**
 * Zoom by a factor, so that a point of the view (0 to 1) stays where it is.
 *
 * @type {(factor: number, point?: Point) => void}
 */
export function zoomBy(factor, { x, y } = { x: 0.5, y: 0.5 }) {
  const before = zoom();
  const after = clamp(before * factor, 1, LARGEST_ZOOM);
  const middle = centre();
  const share = 1 / before - 1 / after;
  setView(after, middle.x + (x - 0.5) * share, middle.y + (y - 0.5) * share);
}

/** Move by shares of what is visible. @type {(x: number, y: number) => void} */
export function moveBy(x, y) {
  const middle = centre();
  setView(zoom(), middle.x + x / zoom(), middle.y + y / zoom());
}

export const showAll = () => setView(1, 0.5, 0.5);

/** @type {(scale: number, x: number, y: number) => void} */
function setView(scale, x, y) {
  const at = `${inBounds(x, scale).toFixed(4)},${inBounds(y, scale).toFixed(4)}`;
  change({ z: String(Number(scale.toFixed(3))), at: scale === 1 ? "0.5,0.5" : at });
}

// ----------------------------------------------------------------------------------------------- the pointer in a view

/** @type {(view: HTMLElement, run: ShownRun) => void} */
function listen(view, run) {
  /** @type {{point: Point, centre: Point} | null} */
  let start = null;
  let hasMoved = false;
  view.addEventListener("wheel", (event) => zoomByWheel(view, event), { passive: false });
  view.addEventListener("pointerdown", (event) => {
    start = { point: pointIn(view, event), centre: centre() };
    hasMoved = false;
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => {
    const point = pointIn(view, event);
    if (start && event.buttons) {
      const [x, y] = [point.x - start.point.x, point.y - start.point.y];
      if (Math.hypot(x, y) > 0.01) hasMoved = true;
      if (hasMoved && zoom() > 1) setView(zoom(), start.centre.x - x / zoom(), start.centre.y - y / zoom());
    }
    if (!state.px) setProbe(pixelAt(point, run));
  });
  view.addEventListener("pointerup", (event) => {
    if (start && !hasMoved) hold(state.px ? null : pixelAt(pointIn(view, event), run));
    start = null;
  });
  view.addEventListener("pointerleave", () => {
    if (!state.px) setProbe(null);
  });
}

/** @type {(view: HTMLElement, event: WheelEvent) => void} */
function zoomByWheel(view, event) {
  if (!event.ctrlKey && !matchMedia("(min-width: 1001px)").matches) return; // there the wheel scrolls the page
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY / 300), pointIn(view, event));
}

/** The pointer in shares of the view. @type {(view: HTMLElement, event: MouseEvent) => Point} */
function pointIn(view, event) {
  const box = view.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

/** The pixel at a point of the view. @type {(point: Point, run: ShownRun) => Point} */
function pixelAt(point, run) {
  const [height, width] = run.size;
  const middle = centre();
  const x = Math.floor((middle.x + (point.x - 0.5) / zoom()) * width);
  const y = Math.floor((middle.y + (point.y - 0.5) / zoom()) * height);
  return pixelInside(run, x, y);
}

// ------------------------------------------------------------------------------------------------------------ the probe

/** @type {(run: ShownRun, x: number, y: number) => Point} */
const pixelInside = ({ size: [height, width] }, x, y) => ({ x: clamp(x, 0, width - 1), y: clamp(y, 0, height - 1) });

/** @param {Point | null} next */
export function setProbe(next) {
  if (next?.x === probe?.x && next?.y === probe?.y) return;
  probe = next;
  updateView();
  for (const listener of probeListeners) listener();
}

/** Hold a pixel: the address keeps it, and the pointer no longer moves it. Null lets go. @param {Point | null} pixel */
export function hold(pixel) {
  change({ px: pixel ? `${pixel.x},${pixel.y}` : "" });
}

/** Take the held pixel from the address. @param {ShownRun} run */
export function readProbe(run) {
  if (!state.px) return;
  const [x, y] = state.px.split(",").map(Number);
  if (Number.isInteger(x) && Number.isInteger(y)) setProbe(pixelInside(run, x, y));
}

/** Move the held pixel, at first from the middle. @type {(run: ShownRun, x: number, y: number) => void} */
export function moveProbe(run, x, y) {
  const [height, width] = run.size;
  const from = probe ?? { x: Math.floor(width / 2), y: Math.floor(height / 2) };
  hold(pixelInside(run, from.x + x, from.y + y));
}
