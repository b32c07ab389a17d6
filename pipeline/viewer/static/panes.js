// The pictures of one image: panes whose zoom, place and probe are kept in step.

import { cacheOf, differences, otherStamp, picture, reasonOf } from "./api.js";
import { onlyOf } from "./choices.js";
import { $, draw, make } from "./dom.js";
import { aboutOf, available, shown, titleOf } from "./layers.js";
import { change, state } from "./state.js";

const LARGEST = 32;
let panes = [], boxes = {}, drawnFor = "";
export let probe = null; // {x, y}: the pixel that is read, held or under the pointer
const listeners = [];
export const onProbe = (listener) => listeners.push(listener);

/** Which panes there are: [run, layers from below to above]. */
function plan(run, other) {
  const there = available(run, other), layers = [...shown().keys()].filter((name) => there.has(name) && name !== "patches");
  const runs = other ? [run, other] : [run];
  if (state.stack) return runs.map((one, place) => [one, layers.filter((name) => place === 0 || !differences.includes(name))]);
  const names = layers.length ? layers : ["input"];
  const rows = names.filter((name) => !differences.includes(name) && !(other && name === "input" && names.length > 1 && sameInput(run, other)));
  const planned = rows.flatMap((name) => runs.map((one) => [one, [name]]));
  return [...planned, ...names.filter((name) => differences.includes(name)).map((name) => [run, [name]])];
}

// Both rounds look at the same image: with other layers beside it, one input less leaves them more room.
const sameInput = (run, other) => run.size.join() === other.size.join();

export function render(run, other, patches) {
  boxes = patches;
  const key = JSON.stringify([run.name, run.stamp, other?.name, otherStamp(run, other?.name), state.image, state.only, state.stack, [...shown().keys()], patches]);
  if (key !== drawnFor) {
    drawnFor = key;
    const planned = plan(run, other);
    panes = planned.map(([one, layers]) => pane(one, layers, one === run ? other?.name ?? "" : run.name));
    const columns = planned.length === 1 ? 1 : other || planned.length <= 4 ? 2 : 3;
    $("panes").style.setProperty("--columns", columns);
    $("panes").replaceChildren(...panes.map(({ figure }) => figure));
  }
  place();
}

export function forget() {
  drawnFor = "";
  $("panes").replaceChildren();
}

// What a network says of the image: there it matters whose cache it is.
const isAnswer = (name) => ["prediction", "entropy", "errors", ...differences].includes(name);

function pane(run, layers, vs) {
  const sheet = make("div", { className: "sheet" });
  const view = make("div", { className: "view", tabIndex: 0, role: "img", "aria-label": `${layers.map(titleOf).join(", ")} of ${state.image} in ${run.name}` }, sheet);
  view.style.setProperty("--aspect", run.size[1] / run.size[0]);
  const base = run.layers.includes("input") && !layers.includes("input") ? ["input"] : [];
  const pictures = [...base, ...layers].map((name) => {
    const src = picture("picture", name, run, state.image, { vs: differences.includes(name) ? vs : "", only: name === "entropy" ? "" : onlyOf(run) });
    const img = make("img", { alt: "", draggable: false, src, "data-layer": name });
    img.onerror = async () => {
      img.classList.add("failed");
      view.append(make("p", { className: "failure", textContent: await reasonOf(src) }));
    };
    return img;
  });
  view.classList.toggle("bare", !run.layers.includes("input"));
  if (shown().has("patches") && boxes[run.name]?.length) pictures.push(rectangles(run, boxes[run.name]));
  sheet.append(...pictures);
  const cross = make("div", { className: "cross", hidden: true });
  view.append(cross);
  listen(view, run);
  const title = layers.map(titleOf).join(" + ");
  const caption = make("figcaption", {}, make("b", { textContent: title }), make("span", { textContent: layers.some(isAnswer) ? cacheOf(run.name) : run.name }), ...legend(layers, run, vs));
  return { figure: make("figure", { className: "pane", title: layers.length === 1 ? aboutOf(layers[0]) : "" }, caption, view), view, sheet, pictures, cross, run };
}

function rectangles(run, found) {
  const [height, width] = run.size;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true", "data-layer": "patches" });
  found.forEach((box, number) => {
    for (const kind of ["patch under", "patch"]) svg.append(draw("rect", { class: kind, x: box.left, y: box.top, width: box.width, height: box.height }));
    const text = draw("text", { x: box.left + height / 40, y: box.top + height / 14, "font-size": height / 16 });
    text.textContent = number + 1;
    svg.append(text);
  });
  return svg;
}

function legend(layers, run, vs) {
  if (layers.includes("entropy")) return [make("span", { className: "scale" }, "0", make("i"), `ln C = ${Math.log(run.classes.length).toFixed(2)} nats`)];
  if (layers.includes("entropy-change")) return [make("span", { className: "scale change" }, `surer than ${cacheOf(vs || run.previous)}`, make("i"), "less sure")];
  if (layers.includes("change")) return [make("span", { textContent: `against ${cacheOf(vs || run.previous)}; unchanged is dark` })];
  if (layers.includes("mask")) return [make("span", { textContent: "dark: dropped" })];
  if (layers.includes("errors")) return [make("span", { textContent: "orange: wrong, dark: not labelled" })];
  return [];
}

// ------------------------------------------------------------------------------------------------- zoom and place

const zoom = () => Math.min(LARGEST, Math.max(1, Number(state.z) || 1));

function centre() {
  const [x, y] = state.at.split(",").map(Number), margin = 0.5 / zoom();
  return [x, y].map((value) => Math.min(1 - margin, Math.max(margin, Number.isFinite(value) ? value : 0.5)));
}

/** Puts zoom, opacity and probe of all panes where the state says. */
export function place() {
  const z = zoom(), [x, y] = centre(), layers = shown();
  for (const { view, sheet, pictures, cross, run } of panes) {
    const left = 50 - 100 * x * z, top = 50 - 100 * y * z;
    sheet.style.transform = `translate(${left}%, ${top}%) scale(${z})`;
    for (const one of pictures) one.style.opacity = layers.get(one.dataset.layer) ?? 1;
    cross.hidden = !probe;
    if (probe) {
      const [height, width] = run.size;
      cross.style.left = `${left + (100 * z * (probe.x + 0.5)) / width}%`;
      cross.style.top = `${top + (100 * z * (probe.y + 0.5)) / height}%`;
      cross.classList.toggle("held", Boolean(state.px));
    }
    view.style.cursor = z > 1 ? "grab" : "crosshair";
  }
  $("zoom-fit").textContent = z === 1 ? "Fit" : `${z < 10 ? z.toFixed(1) : Math.round(z)}×`;
}

/** Zooms by a factor, so that the point (x, y) of the view (0 to 1) stays where it is. */
export function zoomBy(factor, x = 0.5, y = 0.5) {
  const before = zoom(), after = Math.min(LARGEST, Math.max(1, before * factor)), [cx, cy] = centre();
  setPlace(after, cx + (x - 0.5) * (1 / before - 1 / after), cy + (y - 0.5) * (1 / before - 1 / after));
}

/** Moves by shares of what is visible. */
export function moveBy(x, y) {
  const [cx, cy] = centre();
  setPlace(zoom(), cx + x / zoom(), cy + y / zoom());
}

export function setPlace(z, x, y) {
  const margin = 0.5 / z, [cx, cy] = [x, y].map((value) => Math.min(1 - margin, Math.max(margin, value)));
  change({ z: String(Number(z.toFixed(3))), at: z === 1 ? "0.5,0.5" : `${cx.toFixed(4)},${cy.toFixed(4)}` });
}

function listen(view, run) {
  let from = null, moved = false;
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !matchMedia("(min-width: 1001px)").matches) return; // there the wheel scrolls the page
    event.preventDefault();
    const { x, y } = inside(view, event);
    zoomBy(Math.exp(-event.deltaY / 300), x, y);
  }, { passive: false });
  view.addEventListener("pointerdown", (event) => {
    from = { ...inside(view, event), at: centre() };
    moved = false;
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => {
    const here = inside(view, event);
    if (from && event.buttons) {
      if (Math.hypot(here.x - from.x, here.y - from.y) > 0.01) moved = true;
      if (moved && zoom() > 1) setPlace(zoom(), from.at[0] - (here.x - from.x) / zoom(), from.at[1] - (here.y - from.y) / zoom());
    }
    if (!state.px) setProbe(pixel(here, run));
  });
  view.addEventListener("pointerup", (event) => {
    if (from && !moved) hold(state.px ? null : pixel(inside(view, event), run));
    from = null;
  });
  view.addEventListener("pointerleave", () => {
    if (!state.px) setProbe(null);
  });
}

function inside(view, event) {
  const box = view.getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
}

function pixel(here, run) {
  const [cx, cy] = centre(), [height, width] = run.size;
  const x = Math.floor((cx + (here.x - 0.5) / zoom()) * width), y = Math.floor((cy + (here.y - 0.5) / zoom()) * height);
  return { x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y)) };
}

// ---------------------------------------------------------------------------------------------------------- the probe

export function setProbe(next) {
  if (next?.x === probe?.x && next?.y === probe?.y) return;
  probe = next;
  place();
  for (const listener of listeners) listener();
}

/** Holds a pixel: the address keeps it, the pointer no longer moves it. Null lets go. */
export function hold(next) {
  change({ px: next ? `${next.x},${next.y}` : "" });
}

/** Takes the held pixel from the address. */
export function readProbe(run) {
  if (!state.px) return;
  const [height, width] = run.size, [x, y] = state.px.split(",").map(Number);
  if (Number.isInteger(x) && Number.isInteger(y)) setProbe({ x: Math.min(width - 1, Math.max(0, x)), y: Math.min(height - 1, Math.max(0, y)) });
}

export function moveProbe(run, x, y) {
  const [height, width] = run.size, from = probe ?? { x: Math.floor(width / 2), y: Math.floor(height / 2) };
  hold({ x: Math.min(width - 1, Math.max(0, from.x + x)), y: Math.min(height - 1, Math.max(0, from.y + y)) });
}

