// Everything that is shown, kept in the address: whoever opens it sees the same.

const DEFAULTS = {
  run: "", vs: "", image: "", view: "", sort: "entropy", of: "", rev: "", show: "", thumb: "input",
  layers: "", stack: "", z: "1", at: "0.5,0.5", px: "", tab: "pixel", only: "", q: "",
};

export const state = { ...DEFAULTS };
const listeners = [];

export function read() {
  const query = new URLSearchParams(location.search);
  for (const name of Object.keys(DEFAULTS)) state[name] = query.get(name) ?? DEFAULTS[name];
}

export function address(changes = {}) {
  const query = new URLSearchParams();
  const next = { ...state, ...changes };
  for (const [name, value] of Object.entries(DEFAULTS)) if (next[name] !== value) query.set(name, next[name]);
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%7E", "~").replaceAll("%2F", "/");
  return text ? `/?${text}` : "/";
}

/** Another round, image or view is a step in the browser's history; the rest only corrects the address. */
export function change(changes) {
  const step = ["run", "vs", "image", "view"].some((name) => name in changes && changes[name] !== state[name]);
  const before = { ...state };
  Object.assign(state, changes);
  history[step ? "pushState" : "replaceState"](null, "", address());
  for (const listener of listeners) listener(before);
}

export function onChange(listener) {
  listeners.push(listener);
}

addEventListener("popstate", () => {
  const before = { ...state };
  read();
  for (const listener of listeners) listener(before);
});
