// The tab "classes": of each class its threshold, in the histogram of what it is compared with, and its figures.

import { byId, html, paragraph, replaceKeepingFocus, svg, swatch } from "./dom.js";
import { percent, short } from "./numbers.js";
import { change, state } from "./state.js";
import { term } from "./words.js";

/** Why the thresholds of some quantities are not drawn. @type {Record<string, string>} */
const NOT_DRAWN = {
  "entropy-in-image":
    "As released, entropy is normalised in each image: a histogram of all images cannot show the thresholds.",
  "confidence-and-prior":
    "Thresholds are on confidence times a spatial prior: a histogram of confidence cannot show them.",
};
/** The histogram in which the thresholds of a quantity are drawn. @type {Record<string, string>} */
const DRAWN_IN = { confidence: "confidence", "entropy-share": "entropy", "entropy-nats": "entropy" };
const HISTOGRAM_NOTE =
  "Heights are square roots of pixel counts; green is the kept side. " +
  "Coverage and precision are of the selected images, against labels, after training.";

/** @type {(run: ShownRun, table: ClassTable | undefined, error?: string) => void} */
export function renderClasses(run, table, error) {
  if (state.tab !== "classes") return;
  if (!table) return byId("panel").replaceChildren(paragraph(error ?? "Counting pixels…", "quiet"));
  const ownQuantity = table.quantity.startsWith("confidence") ? "confidence" : "entropy";
  const quantity = state.q || ownQuantity;
  const present = table.classes.filter(({ pixels }) => pixels).sort((a, b) => b.pixels - a.pixels);
  const absent = table.classes.filter(({ pixels }) => !pixels).map(({ name }) => name);
  replaceKeepingFocus(byId("panel"), [
    ...introduction(run, table),
    html("h3", { textContent: "Pixels of all images, by predicted class" }),
    quantitySwitch(quantity, ownQuantity),
    ...present.map((row) => classRow(run, table, row, quantity)),
    absent.length ? paragraph(`Predicted nowhere: ${absent.join(", ")}.`, "quiet") : "",
    paragraph(HISTOGRAM_NOTE, "quiet"),
  ]);
}

/** What the method compares, and with which numbers. @type {(run: ShownRun, table: ClassTable) => HTMLElement[]} */
function introduction(run, table) {
  const about = run.about || "Nothing has been selected yet: there are no thresholds.";
  const lines = [html("h3", { textContent: run.name }), paragraph(about)];
  const details = Object.entries(table.details).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`);
  if (details.length) lines.push(paragraph(details.join(", "), "quiet num"));
  if (table.quantity in NOT_DRAWN) lines.push(paragraph(NOT_DRAWN[table.quantity], "quiet"));
  if (table.scores) lines.push(html("h3", { textContent: "Scores of the images" }), scoreHistogram(table.scores));
  return lines;
}

/** @type {(chosen: string, ownQuantity: string) => HTMLElement} */
function quantitySwitch(chosen, ownQuantity) {
  const buttons = ["entropy", "confidence"].map((name) =>
    html("button", {
      type: "button",
      textContent: name,
      "data-key": `histogram ${name}`,
      "aria-pressed": name === chosen,
      onclick: () => change({ q: name === ownQuantity ? "" : name }),
    }),
  );
  return html("div", { className: "segments", role: "group", "aria-label": "Histogram of" }, ...buttons);
}

/** @type {(run: ShownRun, table: ClassTable, row: ClassRow, quantity: string) => HTMLElement} */
function classRow(run, table, row, quantity) {
  const isAlone = state.only === row.name;
  const button = html(
    "button",
    {
      type: "button",
      className: "name",
      title: "show this class alone",
      "data-key": row.name,
      "aria-pressed": isAlone,
      onclick: () => change({ only: isAlone ? "" : row.name }),
    },
    swatch(row.colour),
    row.name,
  );
  return html(
    "div",
    { className: "class-row", "data-only": isAlone },
    button,
    classHistogram(run, table, row, quantity),
    axis(run, table, quantity),
    html("div", { className: "numbers num" }, ...figures(row)),
  );
}

/** @param {ClassRow} row */
function figures(row) {
  /** @type {[string, string | number][]} */
  const named = [["threshold", row.threshold === null ? "none" : row.threshold.toPrecision(4)]];
  if (row.passing !== null) named.push(["on the kept side", percent(row.passing)]);
  if (row.coverage !== null) named.push(["coverage", percent(row.coverage)], ["precision", percent(row.precision)]);
  named.push(["pixels", percent(row.share, 2)], ["images", row.images]);
  return named.map(([name, textContent]) => html("span", {}, term(name), " ", html("b", { textContent })));
}

/** The labels below a histogram. @type {(run: ShownRun, table: ClassTable, quantity: string) => HTMLElement} */
function axis(run, table, quantity) {
  if (quantity === "entropy") return html("div", { className: "axis" }, ...spans(["0", "entropy", "ln C"]));
  const labels = spans(["p = 0", "0.9", "0.99", "0.999", "0.9999", "1"]);
  for (const label of labels) {
    const value = Number(label.textContent.replace("p = ", ""));
    label.style.left = `${100 * axisPosition(run, table, quantity, value)}%`;
  }
  return html("div", { className: "axis placed" }, ...labels);
}

/** @param {string[]} texts */
const spans = (texts) => texts.map((textContent) => html("span", { textContent }));

/**
 * The position of a value on the axis, 0 to 1: shares of ln C, or nines of the confidence.
 *
 * @type {(run: ShownRun, table: ClassTable, quantity: string, value: number) => number}
 */
function axisPosition(run, table, quantity, value) {
  if (quantity === "entropy") return table.quantity === "entropy-nats" ? value / Math.log(run.classes.length) : value;
  return Math.min(1, -Math.log10(Math.max(1e-12, 1 - value)) / table.largest_nines);
}

/** @type {(run: ShownRun, table: ClassTable, row: ClassRow, quantity: string) => SVGSVGElement} */
function classHistogram(run, table, row, quantity) {
  const counts = row.histograms[quantity];
  const bins = counts.length;
  const largest = Math.sqrt(Math.max(1, ...counts));
  const isCompared = DRAWN_IN[table.quantity] === quantity && row.threshold !== null;
  const border = isCompared ? axisPosition(run, table, quantity, row.threshold ?? 0) : null;
  const note = border === null ? "" : `, threshold ${short(row.threshold)}`;
  const drawing = chart(bins, `${row.name}: pixels by ${quantity}${note}`);
  counts.forEach((count, bin) => {
    const middle = (bin + 0.5) / bins;
    const isKept = border !== null && (quantity === "entropy" ? middle <= border : middle >= border);
    if (count) drawing.append(bar(isKept ? "bin kept" : "bin", bin, (38 * Math.sqrt(count)) / largest));
  });
  if (border !== null) drawing.append(thresholdLine(bins * border));
  return drawing;
}

/** @type {(bins: number, label: string) => SVGSVGElement} */
const chart = (bins, label) =>
  svg("svg", {
    class: "chart",
    viewBox: `0 0 ${bins} 40`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": label,
  });

/** A bar of a chart, upon what is below it. @type {(name: string, bin: number, height: number, below?: number) => Node} */
const bar = (name, bin, height, below = 0) =>
  svg("rect", { class: name, x: bin + 0.06, y: 40 - below - height, width: 0.88, height });

/** @param {number} x */
const thresholdLine = (x) => svg("line", { class: "threshold", x1: x, x2: x, y1: 0, y2: 40 });

/** @param {ScoreHistogram} scores */
function scoreHistogram({ easy, hard, low, high, border }) {
  const bins = easy.length;
  const largest = Math.max(1, ...easy.map((count, bin) => count + hard[bin]));
  const drawing = chart(bins, "Images by score, easy ones left of the border");
  easy.forEach((count, bin) => {
    const height = (38 * count) / largest;
    drawing.append(bar("bin kept", bin, height), bar("bin hard", bin, (38 * hard[bin]) / largest, height));
  });
  if (border !== null) drawing.append(thresholdLine((bins * (border - low)) / (high - low || 1)));
  const labels = spans([`easy ${short(low)}`, `border ${short(border)}`, `${short(high)} hard`]);
  return html("div", {}, drawing, html("div", { className: "axis" }, ...labels));
}
