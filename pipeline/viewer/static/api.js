// Questions to the server, and the addresses of its pictures.

/**
 * Fetch JSON; parameters that are empty are left out.
 *
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} parameters
 * @returns {Promise<any>} typed where it is assigned
 * @throws {Error} with the server's message where there is no answer
 */
export async function getJson(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== "" && value !== null && value !== undefined) query.set(name, String(value));
  }
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

/** Layers that compare a run with another. */
export const DIFFERENCES = ["change", "entropy-change", "gain"];

/** @type {Map<string, Run>} */
let runsByName = new Map();

/** Remember the runs, whose stamps and networks pictures of two runs need. @param {Run[]} runs */
export function rememberRuns(runs) {
  runsByName = new Map(runs.map((run) => [run.name, run]));
}

/** Whose predictions a run shows: in the target those of the network that it began with. @param {string} name */
export function networkTitle(name) {
  const run = runsByName.get(name);
  if (!run?.has_images || !run.network) return name;
  if (run.split === "evaluation") return `predictions of ${name}`;
  return `predictions of ${run.network}, with which ${name} began`;
}

/**
 * The stamp of the run that differences are taken to: the one named, else the previous.
 *
 * @type {(run: ShownRun, against: string | undefined) => string}
 */
export const otherStamp = (run, against) => runsByName.get(against || (run.previous ?? ""))?.stamp ?? "";

/**
 * The address of a picture; the stamps change when what it shows does, so that browsers may keep it.
 *
 * @param {"picture" | "thumbnail"} kind
 * @param {string} layer
 * @param {ShownRun} run
 * @param {string} image
 * @param {{against?: string, only?: string}} options
 */
export function pictureUrl(kind, layer, run, image, { against = "", only = "" } = {}) {
  const version = DIFFERENCES.includes(layer) ? `${run.stamp}-${otherStamp(run, against)}` : run.stamp;
  const query = new URLSearchParams({ run: run.name, image, v: version });
  if (run.split !== "target") query.set("split", run.split);
  if (against) query.set("against", against);
  if (only) query.set("only", only);
  return `${kind}/${layer}?${query}`;
}

/** Why a picture did not come. @param {string} url @returns {Promise<string>} */
export async function failureReason(url) {
  try {
    const response = await fetch(url);
    return response.ok ? "" : (await response.json()).detail;
  } catch {
    return "The server does not answer.";
  }
}
