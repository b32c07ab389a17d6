// Elements of the document. Text is only ever set as text: names and ids come from data sets.

/**
 * The element of index.html with an id.
 *
 * @template {string} Id
 * @param {Id} id
 * @returns {Id extends keyof PageElements ? PageElements[Id] : HTMLElement}
 */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * Create an element with properties, data-* and aria-* attributes, and children.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} properties
 * @param {...Child} children
 */
export function html(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, String(value));
    else Reflect.set(element, name, value);
  }
  const present = children.filter((child) => child !== null && child !== undefined && child !== "");
  element.append(.../** @type {(Node | string)[]} */ (present));
  return element;
}

/**
 * Create an SVG element with attributes.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 */
export function svg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** A paragraph of text. @param {string} textContent @param {string} className */
export const paragraph = (textContent, className = "") => html("p", { className: className || null, textContent });

/** A square in a class's colour. @param {Colour} colour */
export function swatch(colour) {
  const element = html("i", { className: "swatch" });
  element.style.background = rgb(colour);
  return element;
}

/** @param {Colour} colour */
export const rgb = (colour) => `rgb(${colour.join(" ")})`;

/**
 * Replace the options of a select where they differ, and choose one.
 *
 * @param {HTMLSelectElement} select
 * @param {[value: string, text: string, disabled?: boolean][]} entries
 * @param {string} chosen
 */
export function setOptions(select, entries, chosen) {
  const key = JSON.stringify(entries);
  if (select.dataset.entries !== key) {
    const options = entries.map(([value, textContent, disabled]) =>
      html("option", { value, textContent, disabled: Boolean(disabled) }),
    );
    select.replaceChildren(...options);
    select.dataset.entries = key;
  }
  select.value = chosen;
}

/** Set an attribute that is "true" or "false". @type {(element: Element, name: string, value: boolean) => void} */
export const setState = (element, name, value) => element.setAttribute(name, String(value));

/** Replace what is in an element; the keyboard's focus stays with the child of the same `data-key`. @type {(element: Element, children: Child[]) => void} */
export function replaceKeepingFocus(element, children) {
  const focused = document.activeElement;
  const key = focused && element.contains(focused) ? focused.getAttribute("data-key") : null;
  element.replaceChildren(
    .../** @type {(Node | string)[]} */ (
      children.filter((child) => child !== null && child !== undefined && child !== "")
    ),
  );
  const again = [...element.querySelectorAll("[data-key]")].find((one) => one.getAttribute("data-key") === key);
  if (key !== null && again instanceof HTMLElement) again.focus({ preventScroll: true });
}
