// The layers of an image: which are shown, how opaque, and their chips.

import { $, make } from "./dom.js";
import { change, state } from "./state.js";

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

export const titleOf = (name) => LAYERS.find(([layer]) => layer === name)[1];
export const aboutOf = (name) => LAYERS.find(([layer]) => layer === name)[2];

/** Name to opacity (0 to 1) of the layers that are on, in the fixed order. */
export function shown() {
  const wanted = new Map((state.layers || DEFAULT).split(",").map((entry) => entry.split("~")));
  const found = new Map();
  for (const [name] of LAYERS) if (wanted.has(name)) found.set(name, wanted.get(name) === undefined ? 1 : Math.min(1, Math.max(0, Number(wanted.get(name)) / 100 || 0)));
  return found;
}

function write(layers) {
  const text = [...layers].map(([name, opacity]) => (opacity === 1 ? name : `${name}~${Math.round(100 * opacity)}`)).join(",");
  change({ layers: text === DEFAULT ? "" : text || "input" });
}

let touched = "prediction";

export function toggle(name) {
  const layers = shown();
  touched = name;
  if (layers.has(name)) layers.delete(name);
  else layers.set(name, 1);
  write(layers);
}

export function setOpacity(name, opacity) {
  const layers = shown();
  touched = name;
  if (layers.has(name)) write(layers.set(name, Math.min(1, Math.max(0, opacity))));
}

export function stepOpacity(step) {
  const layers = shown();
  if (layers.has(touched)) setOpacity(touched, layers.get(touched) + step);
}

/** Which layers the rounds on the page can show. */
export function available(run, other) {
  const there = new Set(run?.layers ?? []);
  if (other || run?.previous) there.add("change").add("entropy-change");
  return there;
}

export function renderChips(run, other) {
  const there = available(run, other), layers = shown();
  if (!$("layers").children.length) {
    LAYERS.forEach(([name, title, about], number) => {
      const key = (number + 1) % 10;
      const button = make("button", { type: "button", title: about, "data-layer": name, onclick: () => toggle(name) }, make("kbd", { textContent: key }), title);
      const slider = make("input", { type: "range", min: 0, max: 100, "aria-label": `Opacity of ${title}`, oninput: () => setOpacity(name, slider.value / 100) });
      $("layers").append(make("div", { className: "layer" }, button, slider));
    });
  }
  for (const chip of $("layers").children) {
    const [button, slider] = chip.children, name = button.dataset.layer, on = layers.has(name);
    button.disabled = !there.has(name);
    button.setAttribute("aria-pressed", on && there.has(name));
    slider.disabled = !on || !there.has(name);
    slider.value = 100 * (layers.get(name) ?? 1);
  }
}
