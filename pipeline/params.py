"""params.yaml as types: ranges, unknown keys refused with a suggestion, every problem at once with its path.

DVC decides from params.yaml what to run again; the sections below are what each stage depends on (see dvc.yaml). Only
``runtime`` is no stage's dependency: it says how to compute, not what.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ReadableError
from pipeline.labels import CITYSCAPES_19, CLASS_SETS

# Strict: YAML's `true` is no number, and neither is a quoted one.
Entry = TypeVar("Entry")

Fraction = Annotated[float, Field(gt=0, le=1, strict=True)]
Positive = Annotated[int, Field(ge=1, strict=True)]
NotNegative = Annotated[int, Field(ge=0, strict=True)]
Rate = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1, strict=True)]
Scale = Annotated[float, Field(ge=0.1, le=4, strict=True)]
Size = tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]
LabelId = Annotated[int, Field(ge=0, le=255)]
Crop = tuple[NotNegative, NotNegative, Positive, Positive]


class ParamsError(ReadableError, ValueError):
    """params.yaml cannot be used; ``problems`` holds one line for each thing that is wrong."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{path}: {count}\n" + "\n".join(f"  - {problem}" for problem in problems))


class Section(BaseModel):
    """A part of params.yaml: immutable, and a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# ---------------------------------------------------------------------------------------------------------- data sets


class Split(Section):
    """What every data set split may say."""

    crop: Crop | None = Field(None, description="top, left, height, width in the file's pixels, cut before resizing")
    size: Size | None = Field(None, description="height, width the network sees; default: data.size")


class StreetsSplit(Split):
    """Images of the generated pair of domains; ``prepare`` draws them."""

    layout: Literal["streets"]
    domain: Literal["source", "target"]
    images: Positive = 240
    first: NotNegative = Field(0, description="index of the first scene: splits that must not share scenes start apart")
    draw_size: tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=64)]] = Field(
        (128, 256), description="height, width of the PNGs drawn"
    )


class FolderSplit(Split):
    """One's own data: a folder of images and, where there are any, a folder of 8-bit label PNGs of the same names."""

    layout: Literal["folder"]
    root: str
    images: str = "images"
    labels: str | None = "labels"
    class_map: dict[LabelId, str] = Field(default_factory=dict, description="label id: class name, or 'ignore'")
    include: tuple[str, ...] = Field(("*",), description="patterns of image ids (file names without suffix)")
    take: tuple[int | None, int | None] = Field((None, None), description="start, stop of the sorted ids kept")

    @model_validator(mode="after")
    def _class_names_are_known(self) -> FolderSplit:
        known = (*CITYSCAPES_19.names, "ignore")
        wrong = [f"{name!r}{_did_you_mean(name, known)}" for name in self.class_map.values() if name not in known]
        if wrong:
            raise ValueError(f"class_map names no such class: {'; '.join(wrong)}")
        if self.labels is not None and not self.class_map:
            raise ValueError("class_map is needed where there are labels (or set labels: null)")
        return self


class CityscapesSplit(Split):
    """Cityscapes as published (leftImg8bit/, gtFine/)."""

    layout: Literal["cityscapes"]
    root: str
    split: Literal["train", "val", "test"]


class Gta5Split(Split):
    """GTA5 as published (images/, labels/)."""

    layout: Literal["gta5"]
    root: str
    take: tuple[int | None, int | None] = (None, None)


AnySplit = Annotated[StreetsSplit | FolderSplit | CityscapesSplit | Gta5Split, Field(discriminator="layout")]


class Data(Section):
    """The three sets of images: labelled source, unlabelled target, labelled images of the target for evaluation."""

    size: Size
    source: AnySplit
    target: AnySplit
    evaluation: AnySplit


# ------------------------------------------------------------------------------------------------- model and training


class Model(Section):
    """The segmentation network."""

    architecture: Literal["small", "deeplabv2-resnet101", "fcn8s-vgg16"] = "small"
    encoder: Literal["mobilenet-v3-small", "mobilenet-v3-large", "efficientnet-lite0"] = "mobilenet-v3-small"
    pretrained: bool = Field(False, description="ImageNet weights (encoder efficientnet-lite0)")
    weights: str | None = Field(None, description="a checkpoint in the authors' key names to start from")
    heads: Literal[1, 2] = 1
    aspp_branches: Literal[2, 4] = 4
    preprocessing: Literal["imagenet-rgb", "caffe-bgr", "lite-rgb"] | None = None
    normalisation: Literal["frozen", "affine_frozen", "train"] = "frozen"

    @model_validator(mode="after")
    def _exists(self) -> Model:
        if self.pretrained and (self.architecture != "small" or self.encoder != "efficientnet-lite0"):
            raise ValueError("pretrained: only architecture small with encoder efficientnet-lite0 has ImageNet weights")
        if self.architecture == "fcn8s-vgg16" and self.heads != 1:
            raise ValueError("heads: fcn8s-vgg16 has one")
        return self


class Optimiser(Section):
    """Which optimiser, at which rates."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: Rate = 1e-4
    head_factor: Rate = Field(1.0, description="times the learning rate for the head")
    bias_factor: Rate = Field(1.0, description="times the learning rate for biases")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="SGD only")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Schedule(Section):
    """How the learning rate falls."""

    name: Literal["constant", "poly", "step", "exponential"] = "poly"
    power: Rate = 0.9
    warmup: NotNegative = 0
    total: Positive | None = Field(None, description="steps after which poly reaches 0; default: the stage's own steps")
    every: Positive = Field(
        50_000, description="step: multiply by 0.1 after so many steps; exponential: by as much, but evenly"
    )


class Augmentation(Section):
    """Random changes to the images of a batch, applied with their labels."""

    flip: bool = True
    scale: tuple[Rate, Rate] = Field((1.0, 1.0), description="range of random zoom; the image keeps its size")
    colour: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="strength of brightness/contrast/white balance"
    )

    @field_validator("scale")
    @classmethod
    def _scale_rises(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError(f"goes from small to large: [{scale[1]}, {scale[0]}]")
        return scale


class Training(Section):
    """What the one training loop needs to know; `pretrain` and `adapt` each have one."""

    steps: Positive | None = None
    epochs: Rate | None = Field(None, description="instead of steps: passes over the (target) images")
    batch: Positive = 4
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    gradient_clip: Rate | None = Field(None, description="largest norm of the gradient")
    augmentation: Augmentation = Augmentation()

    @model_validator(mode="after")
    def _one_budget(self) -> Training:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self

    def budget(self, images: int) -> int:
        """Number of optimiser steps for a set of so many images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * images / self.batch))


class Adapt(Training):
    """Training in a round; ``batch`` counts target patches."""

    source_batch: NotNegative = Field(4, description="labelled source images beside each batch of patches")


class Dump(Section):
    """The probability cache."""

    part_images: Positive = Field(32, description="images per HDF5 part; a kill loses at most the part in flight")
    batch: Positive = 4
    profile: Literal["auto", "logits", "probabilities"] = Field(
        "auto",
        description="logits: exact, for networks that end in a bilinear up-sample; probabilities: one byte each; "
        "auto: logits where they are exact",
    )
    scales: tuple[Scale, ...] = Field((1.0,), min_length=1, description="sizes at which the network sees each image")
    flip: bool = Field(False, description="see each image mirrored too; all views are averaged after softmax")

    @field_validator("scales")
    @classmethod
    def _scales_differ(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(scales)) < len(scales):
            raise ValueError("names a scale twice")
        return scales


class Lse(Section):
    """Learning from Scale-Invariant Examples (Subhani and Ali, ECCV 2020)."""

    compat: Literal["paper", "author"]
    patches: Positive = Field(4, description="k random patches of each selected image")
    patch_size: tuple[Fraction, Fraction] = Field((0.5, 0.5), description="height, width as fractions of the image")
    focal_beta: Annotated[float, Field(ge=0)] = Field(0.1, description="weight of the focal term; 0 switches it off")
    focal_gamma: Annotated[float, Field(ge=0)] = 3.0
    focal_of: Literal["pixel", "mean"] = Field("pixel", description="mean: what the released code does with DeepLab")


class Discriminators(Section):
    """How discriminators learn: with Adam."""

    learning_rate: Rate = Field(1e-4, description="Adam's")
    betas: tuple[Beta, Beta] = Field((0.9, 0.99), description="Adam's")
    schedule: Schedule | None = Field(None, description="how the rate falls; default: as pretrain.schedule says")


class WholeImages(Section):
    """How images with pseudo-labels are cut for training, of methods that do not cut patches of their own."""

    crops: Positive = Field(1, description="windows of each image")
    crop_size: tuple[Fraction, Fraction] = Field((1.0, 1.0), description="height, width as fractions of the image")


class Cbst(WholeImages):
    """Class-Balanced Self-Training (Zou et al., ECCV 2018)."""

    compat: Literal["paper", "author"]
    mine_below: Annotated[float, Field(ge=0, le=1)] = Field(
        0.001, description="classes with a smaller share of the predicted pixels are mined: crops are centred on them"
    )
    mine_chance: Annotated[float, Field(ge=0, le=1)] = Field(0.8, description="of a crop to be centred on such a class")


class Cada(WholeImages):
    """Category-Adaptive Domain Adaptation."""

    compat: Literal["paper"]
    delta: Annotated[float, Field(ge=0)] = Field(0.0, description="Δ of Eq. 3, in nats; the paper gives no value")
    centroid: Literal["weighted", "mean", "literal"] = Field("weighted", description="reading of Eq. 1")


class Intrada(WholeImages):
    """Intra-domain Adaptation (Pan et al., CVPR 2020): from the easy images of the target to the hard ones."""

    compat: Literal["paper", "author"]
    normalise: bool = Field(False, description="rank by the entropy over the number of rare classes predicted")
    begin: Literal["init", "fresh"] = Field(
        "init", description="fresh: train a new network as `model` says (ImageNet weights, as the paper), not init's"
    )
    lambda_main: Weight = Field(0.001, description="weight of the alignment of the predictions; 0 leaves it out")
    lambda_auxiliary: Weight = Field(0.0002, description="of the auxiliary head's, where model.heads is 2")
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")


RESERVED_METRICS = ("mIoU", "pixel_accuracy", "pseudo_labels")


class Evaluate(Section):
    """What the tables show."""

    subsets: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="name: class names to average over"
    )
    headline: str = Field("mIoU", description="mIoU (all classes) or the name of a subset")
    gallery: Annotated[int, Field(ge=0, le=24)] = Field(4, description="images shown in the report")


class Runtime(Section):
    """How to compute, not what: no stage depends on it."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    workers: Positive = 2
    checkpoint_every: Positive = 50
    log_every: Positive = 10


# ------------------------------------------------------------------------------------------------------ starts, rounds


class Start(Section):
    """A network before the first round, trained on labels."""

    supervision: Literal["source", "target-labelled"] = Field(
        description="the labels it learns from; target-labelled is the oracle, which adaptation never sees"
    )


class PlainStart(Start):
    """A start that learns from labels alone."""

    alignment: Literal["none"] = Field("none", description="no alignment: the target's images are not looked at")


class AlignedStart(Start):
    """A start that also looks at the target's images, without labels. A weight of 0 leaves its term out."""

    lambda_main: Weight = Field(0.001, description="weight of the term on the predictions")
    lambda_auxiliary: Weight = Field(
        0.0002, description="weight of the term on the auxiliary head's predictions, where model.heads is 2"
    )

    @model_validator(mode="after")
    def _learns_from_the_source(self) -> AlignedStart:
        if self.supervision != "source":
            raise ValueError("an oracle has the target's labels: say alignment: none, or supervision: source")
        return self


class MinEntStart(AlignedStart):
    """MinEnt (Vu et al., "ADVENT", CVPR 2019): certain predictions on the target."""

    alignment: Literal["minent"] = Field(description="the entropy of the target's predictions is made small")


class AdventStart(AlignedStart):
    """AdvEnt (Vu et al., "ADVENT", CVPR 2019): discriminators of weighted self-information."""

    alignment: Literal["advent"] = Field(description="discriminators see -p log p of the up-sampled predictions")
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")


class AdaptSegNetStart(AlignedStart):
    """AdaptSegNet (Tsai et al., CVPR 2018): discriminators of class probabilities."""

    alignment: Literal["adaptsegnet"] = Field(description="discriminators see the up-sampled class probabilities")
    gan: Literal["vanilla", "ls"] = Field(
        "vanilla",
        description="binary cross entropy, or squared error (LS-GAN), where lambda_main is 0.01 and lambda_auxiliary 0 "
        "unless the file says otherwise: the authors' weights, of one level",
    )
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")

    @model_validator(mode="before")
    @classmethod
    def _least_squares_have_other_weights(cls, raw: Any) -> Any:
        squared = isinstance(raw, dict) and raw.get("gan") == "ls"
        return {"lambda_main": 0.01, "lambda_auxiliary": 0.0, **raw} if squared else raw


class StyleDiscriminators(Discriminators):
    """How CADA's discriminators learn: their rate falls evenly, to a tenth in 50 000 steps."""

    schedule: Schedule | None = Field(
        Schedule(name="exponential"), description="how the rate falls; null: as pretrain.schedule says"
    )


class StyleStart(AlignedStart):
    """CADA's first phase (Wang et al., 2021): the style of two front blocks, and class probabilities."""

    alignment: Literal["style"] = Field(description="statistics of front features and class probabilities are aligned")
    lambda_auxiliary: Weight = Field(
        0.0,
        description="weight of the term on the auxiliary head's predictions, where model.heads is 2; "
        "the paper's network has one head",
    )
    lambda_style: Weight = Field(0.001, description="weight of the term on the style of each front block")
    style_statistic: Literal["adversarial", "gram", "mean-std"] = Field(
        "adversarial",
        description="adversarial: discriminators of channel means; gram, mean-std: squared error (the paper's Table 3)",
    )
    discriminators: StyleDiscriminators = Field(StyleDiscriminators(), description="how the discriminators learn")


def _alignment_of(start: Any) -> str:
    """The alignment that a start names; what is no mapping is refused as a plain start."""
    return str(start.get("alignment", "none")) if isinstance(start, dict) else getattr(start, "alignment", "none")


AnyStart = Annotated[
    Annotated[PlainStart, Tag("none")]
    | Annotated[MinEntStart, Tag("minent")]
    | Annotated[AdventStart, Tag("advent")]
    | Annotated[AdaptSegNetStart, Tag("adaptsegnet")]
    | Annotated[StyleStart, Tag("style")],
    Discriminator(_alignment_of),
]


class LseRound(Section):
    """One round of LSE."""

    method: Literal["lse"]
    init: str
    portion: Fraction = Field(description="share of the images in which a class is predicted")


class CbstRound(Section):
    """One round of CBST, or of ST with one threshold for all classes."""

    method: Literal["cbst"]
    init: str
    portion: Fraction = Field(description="share of the pixels predicted as a class")
    thresholds: Literal["per-class", "global"] = "per-class"
    source_portion: Fraction = Field(1.0, description="share of the source images trained on; grows with the rounds")


class CadaRound(Section):
    """One round of CADA's self-training."""

    method: Literal["cada"]
    init: str


class IntradaRound(Section):
    """IntraDA's intra-domain step; its init is usually a start with an alignment."""

    method: Literal["intrada"]
    init: str
    easy: Fraction = Field(0.67, description="λ: share of the images held for easy; 1 is self-training on all")


Round = LseRound | CbstRound | CadaRound | IntradaRound


class Params(Section):
    """All of params.yaml."""

    # Required although they could have defaults: DVC refuses a stage whose params are not in the file.
    seed: NotNegative
    classes: Literal["cityscapes-19", "synthia-16", "synthia-13", "carla-camvid-9"]
    runtime: Runtime = Runtime()
    data: Data
    model: Model
    pretrain: Training
    dump: Dump
    lse: Lse | None = Field(None, description="needed where a round is of this method, as the others are")
    cbst: Cbst | None = None
    cada: Cada | None = None
    intrada: Intrada | None = None
    adapt: Adapt
    evaluate: Evaluate
    starts: dict[str, AnyStart] = Field(min_length=1)
    rounds: dict[str, Annotated[Round, Field(discriminator="method")]]

    def start(self, name: str) -> AnyStart:
        """The start of that name. Raises ReadableError that lists the names."""
        return _named(self.starts, "start", name)

    def round(self, name: str) -> Round:
        """The round of that name. Raises ReadableError that lists the names."""
        return _named(self.rounds, "round", name)

    def run_kinds(self) -> dict[str, str]:
        """What each run is, in the file's order: ``start``, ``oracle`` or its method; oracles come last."""
        kinds = {name: "start" for name, start in self.starts.items() if start.supervision == "source"}
        kinds |= {name: entry.method for name, entry in self.rounds.items()}
        return kinds | {name: "oracle" for name, start in self.starts.items() if start.supervision != "source"}


def _named(table: dict[str, Entry], kind: str, name: str) -> Entry:
    if name not in table:
        hint = _did_you_mean(name, list(table))
        raise ReadableError(f"there is no {kind} {name!r} in params.yaml; there are {', '.join(table) or 'none'}{hint}")
    return table[name]


def read_params(path: Path | str = "params.yaml") -> Params:
    """Reads and checks params.yaml. Raises ParamsError that lists every problem."""
    path = Path(path)
    raw = _read_yaml(path)
    problems = _graph_problems(raw)
    params = None
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        problems += [line for line in _readable(error, raw) if line not in problems]
    if params is not None:
        problems += _class_problems(params) + _alignment_problems(params)
    if problems or params is None:
        raise ParamsError(path, problems)
    return params


def json_schema() -> dict[str, Any]:
    """A JSON schema of params.yaml, for editors."""
    return Params.model_json_schema()


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ParamsError(path, ["there is no such file; `roundabout use streets` writes one"])
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise ParamsError(path, [f"is not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(raw, dict):
        raise ParamsError(path, ["should hold a mapping of sections"])
    return raw


# ----------------------------------------------------------------------------------------------- problems, in one list

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _graph_problems(raw: dict[str, Any]) -> list[str]:
    """What types cannot say of `starts` and `rounds`: names, and that a round begins at something before it."""
    starts, rounds = _table(raw, "starts"), _table(raw, "rounds")
    problems = [
        f"{table}.{name}: a name is letters, digits, - and _, begins with a letter (DVC drops integer keys silently)"
        for table, names in (("starts", starts), ("rounds", rounds))
        for name in names
        if not isinstance(name, str) or not _NAME.fullmatch(name)
    ]
    problems += [f"rounds.{name}: there is a start of that name too" for name in rounds if name in starts]
    earlier = [str(name) for name in starts]
    for name, entry in rounds.items():
        init = entry.get("init") if isinstance(entry, dict) else None
        if isinstance(init, str) and init not in earlier:
            problems.append(f"rounds.{name}.init: {_init_problem(str(name), init, rounds, earlier)}")
        earlier.append(str(name))
    return problems


def _table(raw: dict[str, Any], key: str) -> dict[Any, Any]:
    table = raw.get(key)
    return table if isinstance(table, dict) else {}


def _init_problem(name: str, init: str, rounds: dict[Any, Any], earlier: list[str]) -> str:
    if init in rounds:
        chain, current = [name], init
        while current in rounds and current not in chain and isinstance(rounds[current], dict):
            chain.append(current)
            current = str(rounds[current].get("init"))
        if current in chain:
            return f"goes in a circle: {' -> '.join([*chain[chain.index(current) :], current])}"
        return f"{init!r} stands later in the file; a round begins at a start or an earlier round"
    there_are = f"there are {', '.join(earlier)}"
    return f"{init!r} is no start and no earlier round ({there_are}){_did_you_mean(init, earlier)}"


def _class_problems(params: Params) -> list[str]:
    """Names of classes and subsets that the class set does not have."""
    names = CLASS_SETS[params.classes].names
    problems = [
        f"evaluate.subsets.{subset}: {name!r} is not a class of {params.classes}{_did_you_mean(name, names)}"
        for subset, members in params.evaluate.subsets.items()
        for name in members
        if name not in names
    ]
    problems += [
        f"evaluate.subsets.{subset}: is the name of a metric of its own; choose another"
        for subset in params.evaluate.subsets
        if subset in RESERVED_METRICS
    ]
    problems += [
        f"evaluate.subsets.{subset}: names a class twice"
        for subset, members in params.evaluate.subsets.items()
        if len(set(members)) < len(members)
    ]
    problems += [
        f"{entry.method}: is missing, and round {name} is of this method; at least `{entry.method}: {{compat: paper}}`"
        for name, entry in params.rounds.items()
        if getattr(params, entry.method) is None
    ]
    problems += [
        f"rounds.{name}.init: {entry.init!r} comes from the oracle, which has seen the target's labels"
        for name, entry in params.rounds.items()
        if entry.init in _from_oracle(params)
    ]
    known = ("mIoU", *params.evaluate.subsets)
    if params.evaluate.headline not in known:
        hint = _did_you_mean(params.evaluate.headline, known)
        problems.append(f"evaluate.headline: {params.evaluate.headline!r} is none of {', '.join(known)}{hint}")
    return problems


# Five convolutions of stride 2 (pipeline/models/discriminators.py).
_SMALLEST_SIDE = 32


def _alignment_problems(params: Params) -> list[str]:
    """Images from which a discriminator makes no score."""
    sizes = {
        "data.source": params.data.source.size or params.data.size,
        "data.target": params.data.target.size or params.data.size,
    }
    return [
        f"starts.{name}.alignment: {start.alignment} needs images of at least {_SMALLEST_SIDE}x{_SMALLEST_SIDE}, "
        f"and those of {split} are {height}x{width}"
        for name, start in params.starts.items()
        if start.alignment in ("advent", "adaptsegnet")
        for split, (height, width) in sizes.items()
        if min(height, width) < _SMALLEST_SIDE
    ]


def _from_oracle(params: Params) -> set[str]:
    seen = {name for name, start in params.starts.items() if start.supervision == "target-labelled"}
    for name, entry in params.rounds.items():
        if entry.init in seen:
            seen.add(name)
    return seen


def _readable(error: ValidationError, raw: dict[str, Any]) -> list[str]:
    lines = []
    for item in error.errors(include_url=False):
        path = _path_in_file(item["loc"], raw)
        if "[key]" in item["loc"] and item["loc"][0] in ("starts", "rounds"):
            continue  # a name that is no string: _graph_problems says it better
        if item["type"] == "union_tag_invalid":
            context = item.get("ctx") or {}
            choices, tag = re.findall(r"'([^']+)'", str(context.get("expected_tags", ""))), str(context.get("tag", ""))
            key = "alignment" if item["loc"][0] == "starts" else str(context.get("discriminator", "")).strip("'")
            lines.append(f"{path}.{key}: is {tag!r}; choose one of {', '.join(choices)}{_did_you_mean(tag, choices)}")
        elif item["type"] == "union_tag_not_found":
            key = str((item.get("ctx") or {}).get("discriminator", "")).strip("'")
            lines.append(f"{path}.{key}: is missing")
        elif item["type"] == "extra_forbidden":
            lines.append(f"{path}: unknown key{_did_you_mean(str(item['loc'][-1]), _keys_beside(item['loc']))}")
        elif item["type"] == "missing":
            lines.append(f"{path}: is missing")
        else:
            message = item["msg"].removeprefix("Value error, ")
            shown = f" (it is {item['input']!r})" if isinstance(item["input"], str | int | float) else ""
            choices = re.findall(r"'([^']+)'", message) if item["type"] == "literal_error" else []
            lines.append(f"{path}: {message}{shown}{_did_you_mean(str(item['input']), choices)}")
    return lines


def _path_in_file(location: tuple[int | str, ...], raw: Any) -> str:
    """The dotted path as it stands in the file: pydantic adds the name by which it chose among sections."""
    kept = []
    for step in location:
        chosen_by: tuple[Any, ...] = ("none",)
        if isinstance(raw, dict):
            chosen_by = (raw.get("layout"), raw.get("method"), raw.get("alignment", "none"))
        if step in chosen_by and not (isinstance(raw, dict) and step in raw):
            continue
        kept.append(str(step))
        if isinstance(raw, dict):
            raw = raw.get(step)
    return ".".join(kept)


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the section of an unknown key does have."""
    section: Any = Params
    for step in location[:-1]:
        section = _step_into(section, step)
    sections = list(_sections(section))
    return list(sections[0].model_fields) if len(sections) == 1 else []


def _step_into(annotation: Any, step: int | str) -> Any:
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    sections = list(_sections(annotation))
    if len(sections) > 1:  # a layout's or an alignment's name picks one of them
        return next((section for section in sections if step in _names_of(section)), None)
    field = sections[0].model_fields.get(str(step)) if sections else None
    return field.annotation if field is not None else None


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """The sections among which an annotation lets choose."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) is not dict:
        for argument in get_args(annotation):
            yield from _sections(argument)


def _names_of(section: type[Section]) -> tuple[Any, ...]:
    """The names by which a section is chosen."""
    fields = section.model_fields
    chosen_by = fields.get("layout") or fields.get("method") or fields.get("alignment")
    return get_args(chosen_by.annotation) if chosen_by is not None else ()


def _did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close and close[0] != word else ""
