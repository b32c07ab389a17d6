// Numbers within bounds, and as text.

/** @type {(value: number, low: number, high: number) => number} */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** A share in percent. @type {(value: number | null | undefined, digits?: number) => string} */
export const percent = (value, digits = 1) =>
  value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`;

/** A number in few characters. @type {(value: number | null | undefined) => string} */
export const short = (value) => (value === null || value === undefined ? "–" : Number(value.toPrecision(4)).toString());

/** A signed difference of shares in points. @param {number} value */
export const points = (value) => `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(100 * value).toFixed(1)} points`;

/** A number with its noun: "1 image", "2,975 images". @type {(count: number, noun: string) => string} */
export const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
