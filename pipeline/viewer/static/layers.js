// The layers of an image: which are shown, how opaque, and their chips.

import { byId, html, setState } from "./dom.js";
import { clamp } from "./numbers.js";
import { change, state } from "./state.js";

/** @type {[name: string, title: string, about: string, splits: string][]} */
export const LAYERS = [
  ["input", "Input", "the image", "target evaluation"],
  ["prediction", "Prediction", "the network's classes", "target evaluation"],
  ["entropy", "Entropy", "how undecided the network is", "target evaluation"],
  ["mask", "Selection", "bright: kept, dark: dropped", "target"],
  ["pseudo", "Pseudo-label", "what the round learns from", "target"],
  ["patches", "Patches", "windows that were cut", "target"],
  ["label", "Label", "the truth; in the target for the eye only", "target evaluation"],
  ["errors", "Errors", "orange: prediction differs from the label", "target evaluation"],
  ["change", "Change", "classes that differ from the other run", "target evaluation"],
  ["entropy-change", "Δ entropy", "blue: fallen, orange: risen", "target evaluation"],
  ["gain", "Better / worse", "blue: newly right, orange: newly wrong, against the other run", "evaluation"],
];
/** @type {Record<string, string>} */
const DEFAULTS = {
  target: "input,prediction,entropy,mask,patches",
  evaluation: "input,prediction,label,errors",
};
const INPUT_SEEN = 0.4; // the share of the input that is left when layers are stacked on it

/** The layers that a split can have, in the order of their keys. */
export const layersOfSplit = () => LAYERS.filter(([, , , splits]) => splits.includes(state.split));

/** @param {string} name */
export const titleOf = (name) => LAYERS.find(([layer]) => layer === name)?.[1] ?? name;

/** @param {string} name */
export const aboutOf = (name) => LAYERS.find(([layer]) => layer === name)?.[2] ?? "";

/** The layers that are on, in the fixed order, with their opacity (0 to 1) where the address has one. */
function chosenLayers() {
  const chosen = new Map((state.layers || DEFAULTS[state.split]).split(",").map(parseLayer));
  /** @type {Map<string, number | null>} */
  const ordered = new Map();
  for (const [name] of layersOfSplit()) {
    const opacity = chosen.get(name);
    if (opacity !== undefined) ordered.set(name, opacity);
  }
  return ordered;
}

/** The opacity (0 to 1) of each layer that is on. @returns {Map<string, number>} */
export function shownLayers() {
  const chosen = chosenLayers();
  const above = [...chosen.keys()].filter((name) => name !== "input" && name !== "patches").length;
  const stacked = state.stack ? 1 - INPUT_SEEN ** (1 / Math.max(1, above)) : 1;
  const opacityOf = (/** @type {string} */ name) => (name === "input" || name === "patches" ? 1 : stacked);
  return new Map([...chosen].map(([name, opacity]) => [name, opacity ?? opacityOf(name)]));
}

/** Read "name" or "name~percent". @param {string} entry @returns {[string, number | null]} */
function parseLayer(entry) {
  const [name, percent] = entry.split("~");
  return [name, percent === undefined ? null : clamp(Number(percent) / 100 || 0, 0, 1)];
}

/** @param {Map<string, number | null>} layers */
function writeLayers(layers) {
  const entries = [...layers].map(([name, opacity]) =>
    opacity === null ? name : `${name}~${Math.round(100 * opacity)}`,
  );
  const text = entries.join(",");
  change({ layers: text === DEFAULTS[state.split] ? "" : text || "input" });
}

let lastTouched = "prediction";

/** @param {string} name */
export function toggleLayer(name) {
  const layers = chosenLayers();
  lastTouched = name;
  if (layers.has(name)) layers.delete(name);
  else layers.set(name, null);
  writeLayers(layers);
}

/** @type {(name: string, opacity: number) => void} */
function setOpacity(name, opacity) {
  const layers = chosenLayers();
  lastTouched = name;
  if (layers.has(name)) writeLayers(layers.set(name, clamp(opacity, 0, 1)));
}

/** Change the opacity of the layer that was touched last. @param {number} step */
export function stepOpacity(step) {
  const opacity = shownLayers().get(lastTouched);
  if (opacity !== undefined) setOpacity(lastTouched, opacity + step);
}

/** The layers that the runs on the page can show. @type {(run: ShownRun, other: ShownRun | null) => Set<string>} */
export function availableLayers(run, other) {
  const available = new Set(run.layers);
  if (other || run.previous) available.add("change").add("entropy-change");
  if (run.split === "evaluation" && available.has("change")) available.add("gain");
  return available;
}

/** @type {(run: ShownRun, other: ShownRun | null) => void} */
export function renderChips(run, other) {
  const available = availableLayers(run, other);
  const shown = shownLayers();
  if (byId("layers").dataset.split !== run.split) byId("layers").replaceChildren(...layersOfSplit().map(layerChip));
  byId("layers").dataset.split = run.split;
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
    html("kbd", { textContent: index < 10 ? (index + 1) % 10 : "" }),
    title,
  );
  const slider = html("input", { type: "range", min: 0, max: 100, "aria-label": `Opacity of ${title}` });
  slider.oninput = () => setOpacity(name, Number(slider.value) / 100);
  return html("div", { className: "layer" }, button, slider);
}
