// Everything that is shown, kept in the address: whoever opens it sees the same.

const DEFAULTS = {
  split: "target", // or "evaluation"
  run: "",
  vs: "", // the run that is compared with
  image: "",
  view: "", // "gallery" where an image is chosen and the gallery is shown
  sort: "", // the split's first order
  of: "", // the class by which images are sorted
  as: "", // of a confusion, the class that is predicted
  find: "", // a part of the ids that are shown
  rev: "",
  show: "", // of the gallery: "selected", "hard", …
  thumb: "input",
  layers: "", // name or name~opacity in percent, with commas between
  stack: "",
  z: "1", // zoom
  at: "0.5,0.5", // the centre of what is visible, in shares of the image
  px: "", // the held pixel
  tab: "pixel",
  only: "", // the class that is shown alone
  q: "", // the quantity of the histograms
};
/** @typedef {typeof DEFAULTS} State */

const NAMES = /** @type {(keyof State)[]} */ (Object.keys(DEFAULTS));
const HISTORY_STEPS = /** @type {(keyof State)[]} */ (["split", "run", "vs", "image", "view"]);

export const state = { ...DEFAULTS };

/** @type {((before: State) => void)[]} */
const listeners = [];

/** Read the state from the address. */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  for (const name of NAMES) state[name] = query.get(name) ?? DEFAULTS[name];
}

/** The address of this state with changes. @param {Partial<State>} changes */
export function addressWith(changes = {}) {
  const query = new URLSearchParams();
  const next = { ...state, ...changes };
  for (const name of NAMES) if (next[name] !== DEFAULTS[name]) query.set(name, next[name]);
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%7E", "~").replaceAll("%2F", "/");
  return text ? `?${text}` : location.pathname; // relative: the page may be behind a prefix
}

/**
 * Another round, image or view is a step in the browser's history; the rest only corrects the address.
 *
 * @param {Partial<State>} changes
 */
export function change(changes) {
  const isStep = HISTORY_STEPS.some((name) => name in changes && changes[name] !== state[name]);
  const before = { ...state };
  Object.assign(state, changes);
  history[isStep ? "pushState" : "replaceState"](null, "", addressWith());
  notify(before);
}

/** @param {(before: State) => void} listener */
export function onChange(listener) {
  listeners.push(listener);
}

/** @param {State} before */
function notify(before) {
  for (const listener of listeners) listener(before);
}

addEventListener("popstate", () => {
  const before = { ...state };
  readAddress();
  notify(before);
});
