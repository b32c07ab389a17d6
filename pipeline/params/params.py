"""All of params.yaml as one type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, Union

from pydantic import Field, create_model, field_validator
from pydantic_core import PydanticCustomError

from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.common.labels import CLASS_SETS, class_set
from pipeline.common.own_classes import file_problem, is_file_of_classes
from pipeline.common.section import NotNegative, Positive, Scale, Section
from pipeline.methods.method import RoundEntry
from pipeline.methods.registry import METHODS
from pipeline.params.changes import with_changes
from pipeline.params.data import Data
from pipeline.params.health import Health
from pipeline.params.initial_models import AnyInitialModel
from pipeline.params.model import Model
from pipeline.params.training import Adapt, AnyTraining, Training
from pipeline.params.translations import AnyTranslation


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


RESERVED_METRICS = ("mIoU", "pixel_accuracy", "pseudo_labels", "folds_mean", "folds_deviation")


class Evaluate(Section):
    """What the tables show."""

    merge: dict[str, str] = Field(
        default_factory=dict,
        description="class: the class that it counts as when predictions are scored (NTHU: wall: building, …)",
    )
    subsets: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(
        default_factory=dict, description="name: class names to average over"
    )
    headline: str = Field(
        "mIoU",
        description="mIoU (all classes), pixel_accuracy, or the name of a subset; default where the classes have a "
        "foreground: `IoU NAME` of it",
    )
    gallery: Annotated[int, Field(ge=0, le=24)] = Field(4, description="images shown in the report")


class Runtime(Section):
    """How to compute, not what: stages do not depend on it."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    workers: Positive = 2
    checkpoint_every: Positive = 50
    log_every: Positive = 10
    log_to: Literal["none", "tensorboard", "mlflow", "wandb"] = Field(
        "none", description="where curves, tables and galleries go beside runs/ and report/ (docs/inspection.md)"
    )


Entry = TypeVar("Entry")


class _UpToMethods(Section):
    """The first sections."""

    # Required although they could have defaults: DVC refuses a stage whose params are not in the file.
    seed: NotNegative
    classes: str | dict[str, Any] = Field(
        description=f"{', '.join(CLASS_SETS)}; one's own: {{names: [class, …], colours: {{class: [r, g, b]}}, "
        "foreground: class}, or a file of that below data/classes/; {NAME: [class, …]}: some of the 19 classes"
    )
    runtime: Runtime = Runtime()
    data: Data
    model: Model
    pretrain: Training
    dump: Dump


# The type checker knows what all methods share; when it runs, sections and rounds are those of the records.
if TYPE_CHECKING:
    Round = RoundEntry
    _UpToAdapt = _UpToMethods
else:
    Round = Union[tuple(method.round for method in METHODS.values())]  # noqa: UP007
    _OPTIONAL = Field(None, description="needed where a round is of this method")
    _UpToAdapt = create_model(
        "_UpToAdapt",
        __base__=_UpToMethods,
        **{method.name: (method.section | None, _OPTIONAL) for method in METHODS.values()},
    )


class Params(_UpToAdapt):
    """All of params.yaml."""

    adapt: Adapt
    health: Health
    evaluate: Evaluate
    initial_models: dict[str, AnyInitialModel] = Field(min_length=1)
    rounds: dict[str, Annotated[Round, Field(discriminator="method")]]
    translations: dict[str, AnyTranslation] = Field(
        default_factory=dict, description="the source in the target's style; an initial model's supervision names one"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_are_known(cls, classes: Any) -> Any:
        if isinstance(classes, dict):
            class_set(classes)
        elif isinstance(classes, str) and is_file_of_classes(classes):
            problem = file_problem(classes)
            if problem is not None:
                raise ValueError(problem)
            class_set(classes)
        elif not isinstance(classes, str) or classes not in CLASS_SETS:
            known = ", ".join(repr(name) for name in CLASS_SETS)
            raise PydanticCustomError(
                "literal_error", f"choose one of {known}, or give one's own: {{names: [class, …]}} (docs/datasets.md)"
            )
        return classes

    def initial_model(self, name: str) -> AnyInitialModel:
        """Return the initial model of that name.

        Raises:
            ReadableError: there is none; it lists the names.
        """
        return _named(self.initial_models, "initial model", name)

    def round(self, name: str) -> Round:
        """Return the round of that name.

        Raises:
            ReadableError: there is none; it lists the names.
        """
        return _named(self.rounds, "round", name)

    def section_of(self, entry: Round) -> Any:
        """Return the section of a round's method.

        Raises:
            ReadableError: the section is missing.
        """
        section = getattr(self, entry.method)
        if section is None:
            raise ReadableError(f"params.yaml: the section {entry.method} is missing, and a round is of this method")
        return section

    def adapt_of(self, name: str) -> Adapt:
        """Return how the round of that name trains: the section ``adapt`` with the round's own changes.

        Raises:
            ReadableError: no round has that name; it lists the names.
        """
        return _changed(self.adapt, self.round(name).adapt)

    def pretrain_of(self, name: str) -> Training:
        """Return how the initial model of that name trains: the section ``pretrain`` with the model's own changes.

        Raises:
            ReadableError: no initial model has that name; it lists the names.
        """
        return _changed(self.pretrain, self.initial_model(name).pretrain)

    def translation(self, name: str) -> AnyTranslation:
        """Return the translation of that name.

        Raises:
            ReadableError: there is none; it lists the names.
        """
        return _named(self.translations, "translation", name)

    def chain_of(self, name: str) -> tuple[str, ...]:
        """Return the initial model and the rounds from which a round follows, and the round itself, in order."""
        chain = [name]
        while chain[0] in self.rounds:
            chain.insert(0, self.rounds[chain[0]].init)
        return tuple(chain)

    def source_of(self, name: str) -> str:
        """Return the labelled split that a round trains on: that of the initial model at the beginning of its chain."""
        return self.initial_model(self.chain_of(name)[0]).supervision

    def run_kinds(self) -> dict[str, str]:
        """Return what each run is: ``initial``, ``oracle`` or its method, in this order.

        Initial models with which a round begins come first, since results are compared with the first of all, which a
        control must not be; then the other initial models, rounds and oracles, each in the file's order.
        """
        begun_with = {entry.init for entry in self.rounds.values()}
        initial = [name for name, entry in self.initial_models.items() if not entry.is_oracle]
        kinds = dict.fromkeys(sorted(initial, key=lambda name: name not in begun_with), "initial")
        kinds |= {name: entry.method for name, entry in self.rounds.items()}
        return kinds | {name: "oracle" for name, entry in self.initial_models.items() if entry.is_oracle}


def _changed(section: AnyTraining, changes: dict[str, Any]) -> AnyTraining:
    # only what the file says: a default may depend on another value, which a change may name
    given = section.model_dump(exclude_unset=True)
    return type(section).model_validate(with_changes(given, changes)) if changes else section


def _named(table: dict[str, Entry], kind: str, name: str) -> Entry:
    if name not in table:
        hint = did_you_mean(name, list(table))
        raise ReadableError(f"there is no {kind} {name!r} in params.yaml; there are {', '.join(table) or 'none'}{hint}")
    return table[name]
