// The panel at the side: its tabs, the pixel under the pointer, and the image. class_table.js draws the classes.

import { getJson } from "./api.js";
import { byId, html, paragraph, replaceKeepingFocus, rgb, setState, swatch } from "./dom.js";
import { clamp, percent, short } from "./numbers.js";
import { probe } from "./panes.js";
import { state } from "./state.js";
import { term } from "./words.js";

export const TABS = ["pixel", "image", "classes"];
const LARGEST_BARS = 8;

/** @type {[ShownRun, Pixel][]} */
let pixels = [];
let pixelError = "";
let isBusy = false;
/** Runs of a question that came while another was under way. @type {ShownRun[] | null} */
let waitingRuns = null;

export function renderTabs() {
  for (const name of TABS) {
    const tab = byId(`tab-${name}`);
    const isSelected = state.tab === name;
    setState(tab, "aria-selected", isSelected);
    tab.tabIndex = isSelected ? 0 : -1;
    if (isSelected) byId("panel").setAttribute("aria-labelledby", tab.id);
  }
  if (state.tab === "pixel") renderPixel();
}

// ------------------------------------------------------------------------------------------------------------ the pixel

/** Ask for the pixel under the probe, one question at a time: the last one counts. @param {ShownRun[]} runs */
export async function askPixel(runs) {
  if (!runs.length || !probe || !state.image) {
    [pixels, pixelError] = [[], ""];
    renderPixel();
    return;
  }
  if (isBusy) {
    waitingRuns = runs;
    return;
  }
  isBusy = true;
  await loadPixels(runs, state.image, probe);
  isBusy = false;
  const latest = waitingRuns;
  waitingRuns = null;
  if (latest) await askPixel(latest);
  else renderPixel();
}

/** @type {(runs: ShownRun[], image: string, pixel: Point) => Promise<void>} */
async function loadPixels(runs, image, { x, y }) {
  try {
    const answers = runs.map((run) => getJson("api/pixel", { run: run.name, split: run.split, image, x, y }));
    const loaded = await Promise.all(answers);
    pixels = loaded.map((pixel, index) => [runs[index], pixel]);
    pixelError = "";
  } catch (error) {
    pixels = [];
    pixelError = /** @type {Error} */ (error).message;
  }
}

function renderPixel() {
  if (state.tab !== "pixel") return;
  const hint = "Move the pointer over a picture to read a pixel; click to hold it. ⇧ and the arrows move it.";
  const children = pixelError ? [paragraph(pixelError)] : pixels.map(([run, pixel]) => pixelReadout(run, pixel));
  if (!children.length) children.push(paragraph(hint, "quiet"));
  byId("panel").replaceChildren(html("div", { className: "two" }, ...children));
}

/** @type {(run: ShownRun, pixel: Pixel) => HTMLElement} */
function pixelReadout(run, pixel) {
  const predicted = run.classes[pixel.class];
  const probability = pixel.probabilities[pixel.class];
  const isKnown = probability !== undefined; // predictions.h5 has no distribution over the classes
  return html(
    "div",
    { className: "probe" },
    html("h3", {}, `${run.name} `, html("span", { className: "quiet num", textContent: `x ${pixel.x}, y ${pixel.y}` })),
    html(
      "p",
      {},
      swatch(predicted.colour),
      html("b", { textContent: predicted.name }),
      isKnown ? ` with p = ${probability.toFixed(4)}` : "",
    ),
    truthLine(run, pixel),
    ...(run.split === "target" ? reasonLines(run, pixel.reason) : []),
    html(
      "h3",
      {},
      term("entropy", "Entropy"),
      ` ${pixel.entropy.toFixed(3)} nats, ${percent(pixel.entropy_share)} of ln C`,
    ),
    entropyGauge(pixel.entropy_share),
    isKnown ? html("h3", { textContent: "Class distribution" }) : null,
    isKnown ? probabilityBars(run.classes, pixel.probabilities) : null,
  );
}

/** What the label says of the pixel; nothing without a label. @type {(run: ShownRun, pixel: Pixel) => Child} */
function truthLine(run, pixel) {
  if (pixel.truth === null) return null;
  const truth = run.classes[pixel.truth];
  if (!truth) return paragraph("not labelled here", "quiet");
  if (pixel.truth === pixel.class) return paragraph("✓ as labelled", "quiet");
  return html("p", { className: "quiet" }, " ✗ the label says ", html("b", { textContent: truth.name }));
}

/** @type {(run: ShownRun, reason: Reason | null) => Child[]} */
function reasonLines(run, reason) {
  if (!reason) return [paragraph("Nothing has been selected yet.", "quiet")];
  const verdict = paragraph(reason.words, `verdict ${reason.kept ? "kept" : "dropped"}`);
  const { quantity, value, threshold } = reason;
  if (value === null || threshold === null) return [verdict];
  return [verdict, thresholdGauge(quantity, value, threshold, run.classes.length)];
}

/** @type {(quantity: string, value: number, threshold: number, classes: number) => HTMLElement} */
function thresholdGauge(quantity, value, threshold, classes) {
  const largest = quantity === "entropy, nats" ? Math.log(classes) : 1;
  // small thresholds are where the methods work: the square root gives them room
  const position = (/** @type {number} */ number) => `${100 * Math.sqrt(clamp(number / largest, 0, 1))}%`;
  const fill = html("i");
  const mark = html("b");
  const text = html("span", { textContent: `threshold ${short(threshold)}` });
  fill.style.width = position(value);
  mark.style.left = position(threshold);
  text.style.left = `clamp(3.4rem, ${position(threshold)}, calc(100% - 3.4rem))`;
  const label = `${quantity} ${short(value)}, threshold ${short(threshold)}`;
  return html("div", { className: "gauge", role: "img", "aria-label": label }, fill, mark, text);
}

/** @param {number} share */
function entropyGauge(share) {
  const mark = html("b");
  mark.style.left = `${100 * Math.min(1, share)}%`;
  const label = `${percent(share)} of the largest entropy`;
  return html("div", { className: "gauge cividis", role: "img", "aria-label": label }, mark);
}

/** @type {(classes: ClassColour[], probabilities: number[]) => HTMLElement} */
function probabilityBars(classes, probabilities) {
  const bars = probabilities.map((probability, index) => ({ probability, ...classes[index] }));
  const largest = bars.sort((a, b) => b.probability - a.probability).slice(0, LARGEST_BARS);
  const cells = largest.flatMap(({ probability, name, colour }) => {
    const fill = html("i");
    fill.style.width = `${100 * probability}%`;
    fill.style.background = rgb(colour);
    const text = probability < 0.0001 ? "< 0.0001" : probability.toFixed(4);
    return [
      html("span", {}, swatch(colour), name),
      html("span", { className: "bar" }, fill),
      html("span", { className: "num", textContent: text }),
    ];
  });
  return html("div", { className: "bars" }, ...cells);
}

// ------------------------------------------------------------------------------------------------------------ the image

/** @param {ImageAnswer[]} answers */
export function renderImage(answers) {
  if (state.tab !== "image") return;
  const columns = answers.map(({ run, image, error }) => (image ? imageReadout(run, image) : paragraph(error ?? "…")));
  replaceKeepingFocus(byId("panel"), [html("div", { className: "two" }, ...columns)]);
}

/** @type {(run: ShownRun, image: ImageDetails) => HTMLElement} */
function imageReadout(run, image) {
  const isTarget = run.split === "target";
  const patches = run.layers.includes("patches") ? image.patches.length : "none cut yet";
  return html(
    "div",
    {},
    html("h3", { textContent: run.name }),
    paragraph(image.chosen_words),
    html(
      "p",
      { className: "quiet num" },
      fact("mean entropy", `${percent(image.entropy)} of ln C`),
      image.kept === undefined ? null : fact("kept", percent(image.kept), "kept as pseudo-label"),
      isTarget ? fact("patches", patches) : null,
      isTarget ? fact("label", image.labelled ? "yes" : "none") : null,
    ),
    isTarget ? imageClasses(run, image, TARGET_COLUMNS) : imageClasses(run, image, EVALUATION_COLUMNS),
    paragraph(isTarget ? "Shares are of all pixels of the image." : "At the size of the network's input.", "quiet"),
  );
}

/** @type {(word: string, value: string | number, text?: string) => HTMLElement} */
const fact = (word, value, text) =>
  html("span", { className: "fact" }, term(word, text), " ", html("b", { textContent: value }));

/** @typedef {Record<string, (row: ImageClass, run: ShownRun) => string>} Columns */
/** @type {Columns} */
const TARGET_COLUMNS = {
  share: ({ share }) => percent(share),
  confidence: ({ confidence }) => (confidence === null ? "–" : confidence.toFixed(3)),
  kept: ({ kept }, run) => (run.method ? percent(kept) : "–"),
};
/** @type {Columns} */
const EVALUATION_COLUMNS = {
  labelled: ({ true_share = 0 }) => percent(true_share),
  share: ({ share }) => percent(share),
  IoU: ({ iou }) => (iou === null || iou === undefined ? "–" : percent(iou)),
};

/** @type {(run: ShownRun, image: ImageDetails, columns: Columns) => HTMLElement} */
function imageClasses(run, image, columns) {
  const colours = new Map(run.classes.map(({ name, colour }) => [name, colour]));
  const rows = image.classes
    .sort((a, b) => b.share - a.share)
    .map((row) =>
      html(
        "tr",
        {},
        html("td", {}, swatch(/** @type {Colour} */ (colours.get(row.name))), row.name),
        ...Object.values(columns).map((text) => html("td", { textContent: text(row, run) })),
      ),
    );
  const titles = Object.keys(columns).map((word) => html("th", { scope: "col" }, term(word)));
  const head = html("tr", {}, html("th", { scope: "col", textContent: "class" }), ...titles);
  return html("table", {}, html("thead", {}, head), html("tbody", {}, ...rows));
}
