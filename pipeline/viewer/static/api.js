// Questions to the server. An answer that is not what was asked for is an error with the server's words.

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined));
  let response;
  try {
    response = await fetch(`${path}?${query}`);
  } catch {
    throw new Error("The server does not answer: is `roundabout inspect` still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(typeof answer.detail === "string" ? answer.detail : `${path}: ${response.status}`);
  return answer;
}

export const differences = ["change", "entropy-change"];
let stamps = new Map(), networks = new Map();

/** Remembers the runs' stamps and networks, for pictures of two. */
export function know(runs) {
  stamps = new Map(runs.map(({ name, stamp }) => [name, stamp]));
  networks = new Map(runs.map(({ name, network }) => [name, network]));
}

/** A run with the network whose answers its cache holds: that of the run it begins with. */
export const cacheOf = (name) => (networks.get(name) ? `${name}, cache of ${networks.get(name)}` : name);

/** The stamp of the run that differences are taken to: the one named, else the previous. */
export const otherStamp = (run, vs) => stamps.get(vs || run.previous) ?? "";

/** A picture's address; the stamps change when what it shows does, so that browsers may keep it. */
export function picture(kind, layer, run, image, { vs = "", only = "" } = {}) {
  const v = differences.includes(layer) ? `${run.stamp}-${otherStamp(run, vs)}` : run.stamp;
  const query = new URLSearchParams({ run: run.name, image, v });
  if (vs) query.set("against", vs);
  if (only) query.set("only", only);
  return `/${kind}/${layer}?${query}`;
}

/** Why a picture did not come, in words. */
export async function reasonOf(url) {
  try {
    const response = await fetch(url);
    return response.ok ? "" : (await response.json()).detail;
  } catch {
    return "The server does not answer.";
  }
}
