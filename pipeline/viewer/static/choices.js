// What of the address a run knows. A filter or class of another run stays in the address, and counts as none here.

import { state } from "./state.js";

/** @type {Record<string, Order>} */
let orders = {};

/** Remember the orders of the split that is shown. @param {Record<string, Order>} known */
export function rememberOrders(known) {
  orders = known;
}

/** The order by which images are sorted: the split's first where it does not know the address's. */
export const sortName = () => (state.sort in orders ? state.sort : Object.keys(orders)[0]);
export const sortOrder = () => orders[sortName()];

/** By what the images of a run can be filtered. @type {(run: ShownRun) => string[]} */
export const showsOf = (run) => [...run.shows, ...sortOrder().shows];

/** @type {(run: ShownRun) => string} */
export const showOf = (run) => (showsOf(run).includes(state.show) ? state.show : "");

/** @type {(run: ShownRun, name: string) => string} */
const known = (run, name) => ((run.classes ?? []).some((one) => one.name === name) ? name : "");

/** The class by which images are sorted. @type {(run: ShownRun) => string} */
export const sortedBy = (run) => (sortOrder().of_class ? known(run, state.of) : "");

/** Of a confusion, the class that is predicted. @type {(run: ShownRun) => string} */
export const takenFor = (run) => (sortOrder().pairs ? known(run, state.as) : "");

/** The class that is shown alone. @type {(run: ShownRun) => string} */
export const onlyOf = (run) => known(run, state.only);
