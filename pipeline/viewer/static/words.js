// What the page's words mean; shown where a word is used, and in the list of keys and words.

import { html } from "./dom.js";

/** @type {Record<string, string>} */
export const WORDS = {
  target: "images without labels, to which the rounds adapt; what a round's cache holds of them",
  evaluation: "labelled images that no training reads; what each network predicts on them",
  entropy: "how undecided the network is at a pixel: 0 is certain, ln C (C classes) means that all are equally likely",
  "mean entropy": "entropy averaged over the image's pixels, in percent of ln C, its largest value",
  confidence: "the largest of a pixel's class probabilities",
  IoU: "intersection over union: pixels that label and prediction both give to a class, of those that either does",
  mIoU: "the mean of the classes' IoU",
  "pixel accuracy": "share of the labelled pixels that are predicted as labelled",
  "pseudo-label": "the prediction at the pixels that a method trusts; the round trains on it as if it were a label",
  kept: "share of all pixels that the method keeps as pseudo-label",
  selected: "the round trains on this image; on images that are not selected it does not",
  threshold: "what the method compares a pixel with to keep or drop it",
  "on the kept side": "share of the class's pixels, of all images, that pass its threshold",
  coverage: "share of the selected images' labelled pixels that have a pseudo-label",
  precision: "share of the pseudo-labels that agree with the labels",
  patches: "windows of the image that the round trains on",
  share: "share of the image's pixels that are predicted as the class",
  label: "the true class of each pixel; in the target it is there for the eye only",
  labelled: "share of the image's pixels that the label gives to the class",
};

/** A word with its meaning. @param {string} word @param {string} [text] */
export const term = (word, text = word) =>
  word in WORDS ? html("abbr", { title: WORDS[word], textContent: text }) : html("span", { textContent: text });

/** All words with their meanings, for the help. */
export const glossary = () =>
  Object.entries(WORDS).map(([word, meaning]) =>
    html("div", {}, html("dt", { textContent: word }), html("dd", { textContent: meaning })),
  );
