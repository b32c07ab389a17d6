// Small helpers for the document. Text is only ever set as text: names and ids come from data sets.

export const $ = (id) => document.getElementById(id);

/** An element with properties, data-* and aria-* attributes, and children (elements or text). */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** The same for SVG. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const rgb = (colour) => `rgb(${colour.join(" ")})`;

export function swatch(colour) {
  const element = make("i", { className: "swatch" });
  element.style.background = rgb(colour);
  return element;
}

export const percent = (value, digits = 1) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`);

/** A number in few characters. */
export const short = (value) => (value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString());

/** Replaces the options of a select, keeping what is chosen. */
export function options(select, entries, chosen) {
  const wanted = JSON.stringify(entries);
  if (select.dataset.entries !== wanted) {
    select.replaceChildren(...entries.map(([value, text, disabled]) => make("option", { value, textContent: text, disabled: Boolean(disabled) })));
    select.dataset.entries = wanted;
  }
  select.value = chosen ?? "";
}
