// The tab "classes" of the evaluation split: of each class its IoU, and for what its pixels are taken.

import { byId, html, paragraph, replaceKeepingFocus, swatch } from "./dom.js";
import { percent, points } from "./numbers.js";
import { change, state } from "./state.js";
import { term } from "./words.js";

/** @type {(run: ShownRun, other: string, table: ErrorTable | undefined, error?: string) => void} */
export function renderErrors(run, other, table, error) {
  if (state.tab !== "classes") return;
  if (!table) return byId("panel").replaceChildren(paragraph(error ?? "Reading…", "quiet"));
  const compared = other ? `, and points above ${other}` : "";
  replaceKeepingFocus(byId("panel"), [
    html("h3", { textContent: run.name }),
    html("p", { className: "quiet num" }, ...Object.entries(table.metrics).flatMap(metricWords)),
    html("p", { className: "quiet" }, term("IoU"), ` of each class${compared}; for what its pixels are taken most.`),
    ...table.classes.map((row) => classErrors(row, Boolean(other))),
  ]);
}

/** @type {(metric: [string, number | null]) => Child[]} */
function metricWords([name, value]) {
  if (typeof value !== "number") return [];
  return [
    html(
      "span",
      { className: "fact" },
      term(name.replaceAll("_", " ")),
      " ",
      html("b", { textContent: percent(value) }),
    ),
  ];
}

/** @type {(row: ClassErrors, isCompared: boolean) => HTMLElement} */
function classErrors(row, isCompared) {
  const sortByErrors = () => change({ sort: "error", of: row.name, view: "gallery", rev: "" });
  return html(
    "div",
    { className: "class-row" },
    html(
      "div",
      { className: "title" },
      classButton(row.name, "sort the images by this class's wrong pixels", sortByErrors, swatch(row.colour), row.name),
      html("b", { className: "num", textContent: row.iou === null ? "–" : percent(row.iou) }),
      isCompared ? html("span", { className: "num quiet", textContent: gainText(row) }) : null,
    ),
    html("div", { className: "numbers num" }, ...row.taken_for.map((other) => confusion(row.name, other))),
  );
}

/** @param {ClassErrors} row */
const gainText = ({ iou, other_iou }) => (iou === null || other_iou === null ? "" : points(iou - other_iou));

/** A pair of classes, which sorts the images by it. @type {(name: string, other: Confusion) => HTMLElement} */
function confusion(name, other) {
  const sortByPair = () => change({ sort: "confusion", of: name, as: other.name, view: "gallery", rev: "" });
  const title = `sort the images by ${name} that is predicted as ${other.name}`;
  return classButton(`${name}, ${other.name}`, title, sortByPair, `${other.name} ${percent(other.share)}`);
}

/** @type {(key: string, title: string, onclick: () => void, ...children: Child[]) => HTMLElement} */
const classButton = (key, title, onclick, ...children) =>
  html("button", { type: "button", className: "name", title, "data-key": key, onclick }, ...children);
