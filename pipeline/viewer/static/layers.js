// The layers of an image: which are shown, how opaque, and their chips.

import { byId, html, setState } from "./dom.js";
import { clamp } from "./numbers.js";
import { change, state } from "./state.js";

/** @type {[name: string, title: string, about: string][]} */
export const LAYERS = [
  ["input", "Input", "the target image"],
  ["prediction", "Prediction", "the network's classes"],
  ["entropy", "Entropy", "how undecided the network is"],
  ["mask", "Selection", "bright: kept, dark: dropped"],
  ["pseudo", "Pseudo-label", "what the round learns from"],
  ["patches", "Patches", "windows that were cut"],
  ["label", "Label", "the truth, for the eye only"],
  ["errors", "Errors", "prediction differs from the label"],
  ["change", "Change", "classes that differ from the other round"],
  ["entropy-change", "Δ entropy", "blue: fallen, orange: risen"],
];
const DEFAULT = "input,prediction,entropy,mask,patches";

/** @param {string} name */
export const titleOf = (name) => LAYERS.find(([layer]) => layer === name)?.[1] ?? name;

/** @param {string} name */
export const aboutOf = (name) => LAYERS.find(([layer]) => layer === name)?.[2] ?? "";

/** The opacity (0 to 1) of each layer that is on, by name, in the fixed order. */
export function shownLayers() {
  const opacities = new Map((state.layers || DEFAULT).split(",").map(parseLayer));
  /** @type {Map<string, number>} */
  const shown = new Map();
  for (const [name] of LAYERS) {
    const opacity = opacities.get(name);
    if (opacity !== undefined) shown.set(name, opacity);
  }
  return shown;
}

/** Read "name" or "name~percent". @param {string} entry @returns {[string, number]} */
function parseLayer(entry) {
  const [name, percent] = entry.split("~");
  return [name, percent === undefined ? 1 : clamp(Number(percent) / 100 || 0, 0, 1)];
}

/** @param {Map<string, number>} layers */
function writeLayers(layers) {
  const entries = [...layers].map(([name, opacity]) => (opacity === 1 ? name : `${name}~${Math.round(100 * opacity)}`));
  const text = entries.join(",");
  change({ layers: text === DEFAULT ? "" : text || "input" });
}

let lastTouched = "prediction";

/** @param {string} name */
export function toggleLayer(name) {
  const layers = shownLayers();
  lastTouched = name;
  if (layers.has(name)) layers.delete(name);
  else layers.set(name, 1);
  writeLayers(layers);
}

/** @type {(name: string, opacity: number) => void} */
function setOpacity(name, opacity) {
  const layers = shownLayers();
  lastTouched = name;
  if (layers.has(name)) writeLayers(layers.set(name, clamp(opacity, 0, 1)));
}

/** Change the opacity of the layer that was touched last. @param {number} step */
export function stepOpacity(step) {
  const opacity = shownLayers().get(lastTouched);
  if (opacity !== undefined) setOpacity(lastTouched, opacity + step);
}

/** The layers that the rounds on the page can show. @type {(run: CachedRun, other: CachedRun | null) => Set<string>} */
export function availableLayers(run, other) {
  const available = new Set(run.layers);
  if (other || run.previous) available.add("change").add("entropy-change");
  return available;
}

/** @type {(run: CachedRun, other: CachedRun | null) => void} */
export function renderChips(run, other) {
  const available = availableLayers(run, other);
  const shown = shownLayers();
  if (!byId("layers").children.length) byId("layers").append(...LAYERS.map(layerChip));
  for (const chip of byId("layers").children) {
    const button = /** @type {HTMLButtonElement} */ (chip.children[0]);
    const slider = /** @type {HTMLInputElement} */ (chip.children[1]);
    const name = button.dataset.layer ?? "";
    button.disabled = !available.has(name);
    setState(button, "aria-pressed", shown.has(name) && available.has(name));
    slider.disabled = !shown.has(name) || !available.has(name);
    slider.value = String(100 * (shown.get(name) ?? 1));
  }
}

/** A layer's button and slider. @type {(layer: typeof LAYERS[number], index: number) => HTMLElement} */
function layerChip([name, title, about], index) {
  const button = html(
    "button",
    { type: "button", title: about, "data-layer": name, onclick: () => toggleLayer(name) },
    html("kbd", { textContent: (index + 1) % 10 }),
    title,
  );
  const slider = html("input", { type: "range", min: 0, max: 100, "aria-label": `Opacity of ${title}` });
  slider.oninput = () => setOpacity(name, Number(slider.value) / 100);
  return html("div", { className: "layer" }, button, slider);
}
