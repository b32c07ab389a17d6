// The panel at the side: the pixel under the pointer, the image, the classes.

import { ask } from "./api.js";
import { $, draw, make, percent, rgb, short, swatch } from "./dom.js";
import { probe } from "./panes.js";
import { change, state } from "./state.js";

const LARGEST_BARS = 8;
let pixels = [], pixelProblem = "", busy = false, waiting = null;

// ------------------------------------------------------------------------------------------------------------- the pixel

/** Asks for the pixel under the probe, one question at a time: the last one counts. */
export async function askPixel(run, other) {
  if (!probe || !state.image) {
    pixels = [];
    pixelProblem = "";
    return renderPixel();
  }
  if (busy) {
    waiting = [run, other];
    return undefined;
  }
  busy = true;
  const { x, y } = probe, image = state.image;
  try {
    const runs = other ? [run, other] : [run];
    pixels = await Promise.all(runs.map(async (one) => [one, await ask("/api/pixel", { run: one.name, image, x, y })]));
    pixelProblem = "";
  } catch (error) {
    pixels = [];
    pixelProblem = error.message;
  }
  busy = false;
  if (waiting) {
    const latest = waiting;
    waiting = null;
    return askPixel(...latest);
  }
  return renderPixel();
}

function renderPixel() {
  if (state.tab !== "pixel") return;
  const children = pixelProblem ? [make("p", { textContent: pixelProblem })] : pixels.map(([run, pixel]) => probed(run, pixel));
  if (!children.length) children.push(make("p", { className: "quiet", textContent: "Move the pointer over a picture to read a pixel; click to hold it. ⇧ and the arrows move it." }));
  $("panel").replaceChildren(make("div", { className: "two" }, ...children));
}

function probed(run, pixel) {
  const classes = run.classes, predicted = classes[pixel.class];
  const truth = pixel.truth === null ? null : classes[pixel.truth];
  const rows = [make("h3", {}, `${run.name} `, make("span", { className: "quiet num", textContent: `x ${pixel.x}, y ${pixel.y}` }))];
  rows.push(make("p", {}, swatch(predicted.colour), make("b", { textContent: predicted.name }), ` with p = ${pixel.probabilities[pixel.class].toFixed(4)}`));
  if (pixel.truth !== null) {
    const words = truth ? (pixel.truth === pixel.class ? " ✓ as labelled" : " ✗ the label says ") : "not labelled here";
    rows.push(make("p", { className: "quiet" }, truth && pixel.truth !== pixel.class ? words : words.trim(), truth && pixel.truth !== pixel.class ? make("b", { textContent: truth.name }) : ""));
  }
  if (pixel.reason) {
    rows.push(make("p", { className: `verdict ${pixel.reason.kept ? "kept" : "dropped"}`, textContent: pixel.reason.words }));
    if (pixel.reason.value !== null && pixel.reason.threshold !== null) rows.push(gauge(pixel.reason, classes.length));
  } else rows.push(make("p", { className: "quiet", textContent: "Nothing has been selected yet." }));
  rows.push(make("h3", { textContent: `Entropy ${pixel.entropy.toFixed(3)} nats, ${percent(pixel.entropy_share)} of ln C` }), scale(pixel.entropy_share));
  rows.push(make("h3", { textContent: "Class distribution" }), bars(classes, pixel.probabilities));
  return make("div", { className: "probe" }, ...rows);
}

function gauge({ quantity, value, threshold }, classes) {
  const top = quantity === "entropy, nats" ? Math.log(classes) : 1;
  // small thresholds are where the methods work: the square root gives them room
  const at = (number) => `${100 * Math.sqrt(Math.min(1, Math.max(0, number / top)))}%`;
  const fill = make("i"), mark = make("b"), text = make("span", { textContent: `threshold ${short(threshold)}` });
  fill.style.width = at(value);
  mark.style.left = at(threshold);
  text.style.left = `clamp(3.4rem, ${at(threshold)}, calc(100% - 3.4rem))`;
  return make("div", { className: "gauge", role: "img", "aria-label": `${quantity} ${short(value)}, threshold ${short(threshold)}` }, fill, mark, text);
}

function scale(share) {
  const mark = make("b"), element = make("div", { className: "gauge cividis", role: "img", "aria-label": `${percent(share)} of the largest entropy` }, mark);
  mark.style.left = `${100 * Math.min(1, share)}%`;
  return element;
}

function bars(classes, probabilities) {
  const order = probabilities.map((p, place) => [p, place]).sort((a, b) => b[0] - a[0]).slice(0, LARGEST_BARS);
  return make("div", { className: "bars" }, ...order.flatMap(([p, place]) => {
    const fill = make("i");
    fill.style.width = `${100 * p}%`;
    fill.style.background = rgb(classes[place].colour);
    return [make("span", {}, swatch(classes[place].colour), classes[place].name), make("span", { className: "bar" }, fill), make("span", { className: "num", textContent: p < 0.0001 ? "< 0.0001" : p.toFixed(4) })];
  }));
}

// ------------------------------------------------------------------------------------------------------------- the image

/** ``found``: [round, what the server says of the image, or null]. */
export function renderImage(found) {
  if (state.tab !== "image") return;
  $("panel").replaceChildren(make("div", { className: "two" }, ...found.map(([run, image, problem]) => {
    if (!image) return make("p", { textContent: problem ?? "…" });
    const kept = image.kept === undefined ? [] : [fact("kept as pseudo-label", percent(image.kept))];
    const rows = image.classes.sort((a, b) => b.share - a.share).map((one) => make("tr", {}, make("td", {}, swatch(run.classes.find(({ name }) => name === one.name).colour), one.name), ...[percent(one.share), short3(one.confidence), run.method ? percent(one.kept) : "–"].map((textContent) => make("td", { textContent }))));
    return make("div", {}, make("h3", { textContent: run.name }), make("p", { textContent: image.chosen_words }),
      make("p", { className: "quiet num" }, fact("mean entropy", `${percent(image.entropy)} of ln C`), ...kept, fact("patches", run.layers.includes("patches") ? image.patches.length : "none cut yet"), fact("label", image.labelled ? "yes" : "none")),
      make("table", {}, make("thead", {}, make("tr", {}, ...["class", "share", "confidence", "kept"].map((textContent) => make("th", { textContent, scope: "col" })))), make("tbody", {}, ...rows)),
      make("p", { className: "quiet", textContent: "Shares are of all pixels of the image; confidence is the mean of the largest probability." }));
  })));
}

const short3 = (value) => (value === null ? "–" : value.toFixed(3));
const fact = (name, value) => make("span", { className: "fact" }, `${name} `, make("b", { textContent: value }));

// ----------------------------------------------------------------------------------------------------------- the classes

export function renderClasses(run, table, problem) {
  if (state.tab !== "classes") return;
  if (!table) return $("panel").replaceChildren(make("p", { className: "quiet", textContent: problem ?? "Counting pixels…" }));
  const own = table.quantity.startsWith("confidence") ? "confidence" : "entropy";
  const what = state.q || own;
  const head = [make("h3", { textContent: run.name }), make("p", { textContent: run.about || "Nothing has been selected yet: there are no thresholds." })];
  const details = Object.entries(table.details).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");
  if (details) head.push(make("p", { className: "quiet num", textContent: details }));
  if (table.quantity === "entropy-in-image") head.push(make("p", { className: "quiet", textContent: "As released, entropy is normalised in each image: thresholds have no place in a histogram of all images." }));
  if (table.quantity === "confidence-and-prior") head.push(make("p", { className: "quiet", textContent: "Thresholds are on confidence times a spatial prior: they have no place in a histogram of confidence." }));
  if (table.scores) head.push(make("h3", { textContent: "Scores of the images" }), scores(table.scores));
  const switcher = make("div", { className: "segments", role: "group", "aria-label": "Histogram of" }, ...["entropy", "confidence"].map((name) => make("button", { type: "button", textContent: name, "aria-pressed": name === what, onclick: () => change({ q: name === own ? "" : name }) })));
  const rows = table.classes.filter(({ pixels }) => pixels).sort((a, b) => b.pixels - a.pixels).map((one) => classRow(run, table, one, what));
  const absent = table.classes.filter(({ pixels }) => !pixels).map(({ name }) => name).join(", ");
  $("panel").replaceChildren(...head, make("h3", { textContent: "Pixels of all images, by predicted class" }), switcher, ...rows,
    absent ? make("p", { className: "quiet", textContent: `Predicted nowhere: ${absent}.` }) : "",
    make("p", { className: "quiet", textContent: "Heights are square roots of pixel counts; green is the kept side. Coverage and precision are of the selected images, against labels, after training." }));
  return undefined;
}

function classRow(run, table, one, what) {
  const number = (name, value) => make("span", {}, `${name} `, make("b", { textContent: value }));
  const button = make("button", { type: "button", className: "name", title: "show this class alone", "aria-pressed": state.only === one.name, onclick: () => change({ only: state.only === one.name ? "" : one.name }) }, swatch(one.colour), one.name);
  const numbers = [number("threshold", one.threshold === null ? "none" : one.threshold.toPrecision(4))];
  if (one.passing !== null) numbers.push(number("on the kept side", percent(one.passing)));
  if (one.coverage !== null) numbers.push(number("coverage", percent(one.coverage)), number("precision", percent(one.precision)));
  numbers.push(number("pixels", percent(one.share, 2)), number("images", one.images));
  return make("div", { className: "class-row", "data-only": state.only === one.name }, button, histogram(run, table, one, what), axis(table, what, run.classes.length), make("div", { className: "numbers num" }, ...numbers));
}

/** What stands below a histogram, each label where its value lies. */
function axis(table, what, classes) {
  if (what === "entropy") return make("div", { className: "axis" }, ...["0", "entropy", "ln C"].map((textContent) => make("span", { textContent })));
  return make("div", { className: "axis placed" }, ...["p = 0", "0.9", "0.99", "0.999", "0.9999", "1"].map((textContent) => {
    const label = make("span", { textContent });
    label.style.left = `${100 * onAxis(table, what, Number(textContent.replace("p = ", "")), classes)}%`;
    return label;
  }));
}

/** Where a value lies on the axis, 0 to 1: shares of ln C, or nines of the confidence. */
function onAxis(table, what, value, classes) {
  if (what === "entropy") return table.quantity === "entropy-nats" ? value / Math.log(classes) : value;
  return Math.min(1, -Math.log10(Math.max(1e-12, 1 - value)) / table.largest_nines);
}

function histogram(run, table, one, what) {
  const counts = one.histograms[what], top = Math.sqrt(Math.max(1, ...counts)), bins = counts.length;
  const compared = { confidence: "confidence", "entropy-share": "entropy", "entropy-nats": "entropy" }[table.quantity] === what;
  const at = compared && one.threshold !== null ? onAxis(table, what, one.threshold, run.classes.length) : null;
  const svg = draw("svg", { class: "chart", viewBox: `0 0 ${bins} 40`, preserveAspectRatio: "none", role: "img", "aria-label": `${one.name}: pixels by ${what}${at === null ? "" : `, threshold ${short(one.threshold)}`}` });
  counts.forEach((count, bin) => {
    const height = (38 * Math.sqrt(count)) / top, middle = (bin + 0.5) / bins;
    const kept = at !== null && (what === "entropy" ? middle <= at : middle >= at);
    if (count) svg.append(draw("rect", { class: kept ? "bin kept" : "bin", x: bin + 0.06, y: 40 - height, width: 0.88, height }));
  });
  if (at !== null) svg.append(draw("line", { class: "threshold", x1: bins * at, x2: bins * at, y1: 0, y2: 40 }));
  return svg;
}

function scores(found) {
  const bins = found.easy.length, top = Math.max(1, ...found.easy.map((count, bin) => count + found.hard[bin]));
  const svg = draw("svg", { class: "chart", viewBox: `0 0 ${bins} 40`, preserveAspectRatio: "none", role: "img", "aria-label": "Images by score, easy ones left of the border" });
  found.easy.forEach((easy, bin) => {
    const low = (38 * easy) / top, high = (38 * found.hard[bin]) / top;
    svg.append(draw("rect", { class: "bin kept", x: bin + 0.06, y: 40 - low, width: 0.88, height: low }), draw("rect", { class: "bin hard", x: bin + 0.06, y: 40 - low - high, width: 0.88, height: high }));
  });
  if (found.border !== null) {
    const at = (bins * (found.border - found.low)) / (found.high - found.low || 1);
    svg.append(draw("line", { class: "threshold", x1: at, x2: at, y1: 0, y2: 40 }));
  }
  return make("div", {}, svg, make("div", { className: "axis" }, make("span", { textContent: `easy ${short(found.low)}` }), make("span", { textContent: `border ${short(found.border)}` }), make("span", { textContent: `${short(found.high)} hard` })));
}

export function renderTabs() {
  for (const name of ["pixel", "image", "classes"]) {
    const tab = $(`tab-${name}`), on = state.tab === name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    if (on) $("panel").setAttribute("aria-labelledby", tab.id);
  }
  if (state.tab === "pixel") renderPixel();
}
