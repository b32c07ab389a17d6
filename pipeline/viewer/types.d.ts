// The JSON that the server sends (inspector.py, target_questions.py, evaluation_questions.py, class_table.py), and the types that the page shares.
// tests/viewer/test_viewer_types.py compares the server's names with those of the first part.

// ------------------------------------------------------------------------------------------------ what the server sends

/** Of /api/workspace. */
interface Workspace {
  runs: Run[];
  problem: string;
  images_problem: string;
  orders: Record<string, Order>;
  start: { run: string; split: Split } | null;
}

/** Caches of rounds, or what ``evaluate`` predicted on labelled images. */
type Split = "target" | "evaluation";

interface Order {
  title: string;
  falls: boolean;
  of_class: boolean;
  unit: "percent" | "points" | "rank" | "number";
  about: string;
  shows: string[];
  pairs: boolean;
}

type Run = ShownRun | RunWithoutImages;

interface RunWithoutImages {
  name: string;
  split: Split;
  kind: string;
  init: string | null;
  previous: string | null;
  problems: string[];
  stamp: string;
  writing: boolean;
  has_images: false;
  splits: Split[];
  begins: string[];
  method: string | null;
  compat: string | null;
  quantity: string;
  shows: string[];
  about: string;
  health: Health | null;
}

/** The verdict without labels on what a round trained; null for initial models, and before there is one. */
interface Health {
  verdict: "holds" | "doubtful" | "fails";
  reason: string;
  result: "trained" | "init";
}

interface ShownRun extends Omit<RunWithoutImages, "has_images"> {
  has_images: true;
  images: number;
  images_of_all: number;
  size: [height: number, width: number];
  network: string;
  classes: ClassColour[];
  layers: string[];
  selected: number | null;
  hard: number;
  first: string;
}

interface ClassColour {
  name: string;
  colour: Colour;
}

type Colour = [red: number, green: number, blue: number];

/** Of /api/gallery. */
interface Gallery {
  images: GalleryImage[];
  known: number;
  words: string;
  stamp: string;
}

interface GalleryImage {
  id: string;
  value: number | null;
  chosen: string;
  chosen_there: string;
}

/** Of /api/image; ``kept`` is absent without a selection. */
interface ImageDetails {
  id: string;
  entropy: number;
  chosen: string;
  chosen_words: string;
  patches: Box[];
  labelled: boolean;
  kept?: number;
  classes: ImageClass[];
}

interface ImageClass {
  name: string;
  share: number;
  confidence: number | null;
  kept: number;
  true_share?: number;
  iou?: number | null;
}

interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** Of /api/pixel; ``truth`` is null without a label, and no class where the label is to be ignored. */
interface Pixel {
  x: number;
  y: number;
  class: number;
  probabilities: number[];
  entropy: number;
  entropy_share: number;
  truth: number | null;
  reason: Reason | null;
}

interface Reason {
  kept: boolean;
  kept_as: number | null;
  quantity: string;
  value: number | null;
  threshold: number | null;
  words: string;
}

/** Of /api/classes in the split evaluation. */
interface ErrorTable {
  metrics: Record<string, number | null>;
  classes: ClassErrors[];
  stamp: string;
}

interface ClassErrors extends ClassColour {
  iou: number | null;
  other_iou: number | null;
  taken_for: Confusion[];
}

interface Confusion {
  name: string;
  share: number;
}

/** Of /api/classes in the split target. */
interface ClassTable {
  quantity: string;
  bins: number;
  largest_nines: number;
  classes: ClassRow[];
  details: Record<string, string | number>;
  scores: ScoreHistogram | null;
  stamp: string;
}

interface ClassRow extends ClassColour {
  pixels: number;
  share: number;
  images: number;
  confidence: number | null;
  entropy: number | null;
  threshold: number | null;
  passing: number | null;
  histograms: Record<string, number[]>;
  coverage: number | null;
  precision: number | null;
}

interface ScoreHistogram {
  low: number;
  high: number;
  border: number | null;
  easy: number[];
  hard: number[];
}

// ------------------------------------------------------------------------------------------------------------- the page

interface Point {
  x: number;
  y: number;
}

/** The details of an image in a run; null with the error's message where they did not come. */
interface ImageAnswer {
  run: ShownRun;
  image: ImageDetails | null;
  error?: string;
}

/** One of the pictures beside each other: its layers lie in ``sheet``, which moves in ``view``. */
interface Pane {
  figure: HTMLElement;
  view: HTMLElement;
  sheet: HTMLElement;
  pictures: (HTMLImageElement | SVGSVGElement)[];
  cross: HTMLElement;
  run: ShownRun;
}

type Child = Node | string | number | null | undefined;

/** Elements of index.html that are more than an HTMLElement. */
interface PageElements {
  run: HTMLSelectElement;
  against: HTMLSelectElement;
  sort: HTMLSelectElement;
  of: HTMLSelectElement;
  as: HTMLSelectElement;
  find: HTMLInputElement;
  "ids-file": HTMLInputElement;
  show: HTMLSelectElement;
  thumb: HTMLSelectElement;
  previous: HTMLButtonElement;
  next: HTMLButtonElement;
  help: HTMLDialogElement;
}
