// What of the address a round knows. A filter or class of another round stays in the address, and counts as none here.

import { state } from "./state.js";

/** By what the images of a round can be filtered. @type {(run: CachedRun) => string[]} */
export const showsOf = (run) => run.shows;

/** @type {(run: CachedRun) => string} */
export const showOf = (run) => (showsOf(run).includes(state.show) ? state.show : "");

/** @type {(run: CachedRun, name: string) => string} */
const known = (run, name) => ((run.classes ?? []).some((one) => one.name === name) ? name : "");

/** The class by which images are sorted. @type {(run: CachedRun) => string} */
export const sortedBy = (run) => known(run, state.of);

/** The class that is shown alone. @type {(run: CachedRun) => string} */
export const onlyOf = (run) => known(run, state.only);
