"""Problems between sections, which types cannot find: names, order of rounds, class names, image sizes."""

from __future__ import annotations

import re
from typing import Any

from pipeline.common.errors import did_you_mean
from pipeline.common.labels import DIGITS_10, KNOWN_COLOURS, class_set
from pipeline.methods.registry import METHODS
from pipeline.params.class_map import named_in
from pipeline.params.entry_changes import changes_of
from pipeline.params.initial_models import TARGET_LABELLED, AnyInitialModel
from pipeline.params.params import RESERVED_METRICS, Params

# The names of prepare's own folders in data/prepared/.
PREPARED = ("source", "source-held-back", "target", TARGET_LABELLED, "evaluation", "spatial-prior")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def graph_problems(raw: dict[str, Any]) -> list[str]:
    """Return what types cannot check of the tables of runs: names, and that a round begins at an earlier run."""
    initial_models, rounds, translations = (
        _table(raw, "initial_models"),
        _table(raw, "rounds"),
        _table(raw, "translations"),
    )
    problems = [
        f"{table}.{name}: a name is letters, digits, - and _, begins with a letter (DVC drops integer keys silently)"
        for table, names in (("initial_models", initial_models), ("rounds", rounds), ("translations", translations))
        for name in names
        if not isinstance(name, str) or not _NAME.fullmatch(name)
    ]
    problems += [
        f"rounds.{name}: there is an initial model of that name too" for name in rounds if name in initial_models
    ]
    problems += [
        f"translations.{name}: {taken} of that name; choose another"
        for name in translations
        for taken in _holders_of(name, initial_models, rounds)
    ]
    earlier = [str(name) for name in initial_models]
    for name, entry in rounds.items():
        init = entry.get("init") if isinstance(entry, dict) else None
        if isinstance(init, str) and init not in earlier:
            problems.append(f"rounds.{name}.init: {_init_problem(str(name), init, rounds, earlier)}")
        earlier.append(str(name))
    return problems


def _holders_of(name: Any, initial_models: dict[Any, Any], rounds: dict[Any, Any]) -> list[str]:
    """Return what has the name that a translation would need for itself: in data/prepared/, and in runs/."""
    holders = {
        "there is a prepared folder": PREPARED,
        "there is an initial model": initial_models,
        "there is a round": rounds,
    }
    return [holder for holder, names in holders.items() if name in names]


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
        return f"{init!r} comes later in the file; a round begins at an initial model or an earlier round"
    there_are = f"there are {', '.join(earlier)}"
    return f"{init!r} is neither an initial model nor an earlier round ({there_are}){did_you_mean(init, earlier)}"


def class_problems(params: Params) -> list[str]:
    """Return which names of classes and subsets the class set does not have, and which sections are missing."""
    classes = class_set(params.classes)
    names = tuple(name for name in classes.names if name not in params.evaluate.merge)
    problems = [
        f"evaluate.merge.{name}: {other!r} is not a class of {classes.name}{did_you_mean(other, classes.names)}"
        for name, pair in params.evaluate.merge.items()
        for other in (name, pair)
        if other not in classes.names
    ]
    problems += [
        f"evaluate.merge.{name}: {into!r} is merged itself; say what both become"
        for name, into in params.evaluate.merge.items()
        if into in params.evaluate.merge
    ]
    problems += [
        f"evaluate.subsets.{subset}: {name!r} is merged into {params.evaluate.merge[name]!r} by evaluate.merge"
        if name in params.evaluate.merge
        else f"evaluate.subsets.{subset}: {name!r} is not a class of {classes.name}{did_you_mean(name, names)}"
        for subset, members in params.evaluate.subsets.items()
        for name in members
        if name not in names
    ]
    problems += [
        f"evaluate.subsets.{subset}: is the name of a metric of its own; choose another"
        for subset in params.evaluate.subsets
        if subset in (*RESERVED_METRICS, classes.foreground_metric)
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
    own = [] if classes.foreground in params.evaluate.merge else [classes.foreground_metric]
    known = (*filter(None, own), "mIoU", "pixel_accuracy", *params.evaluate.subsets)
    if params.evaluate.headline not in known:
        hint = did_you_mean(params.evaluate.headline, known)
        problems.append(f"evaluate.headline: {params.evaluate.headline!r} is none of {', '.join(known)}{hint}")
    return problems


def class_weight_problems(params: Params) -> list[str]:
    """Return which weighted classes the class set does not have."""
    classes = class_set(params.classes)
    places = {"pretrain": params.pretrain.class_weights, "adapt": params.adapt.class_weights}
    places |= {where: changes.get("class_weights", {}) for where, changes in changes_of(params)}
    return [
        f"{where}.class_weights: {name!r} is not a class of {classes.name}{did_you_mean(name, classes.names)}"
        for where, weights in places.items()
        if isinstance(weights, dict)
        for name in weights
        if name not in classes.names
    ]


def class_map_problems(raw: dict[str, Any]) -> list[str]:
    """Return which names in maps of labels are neither a class here nor one of a published set, which is ignored."""
    try:
        classes = class_set(raw.get("classes", ""))
    except (AttributeError, TypeError, ValueError):
        return []  # is said of `classes`
    known = (*classes.names, "ignore", *KNOWN_COLOURS)
    return [
        f"data.{where}.class_map: {name!r} is not a class of {classes.name} ({', '.join(classes.names)}), nor `ignore`"
        f"{did_you_mean(name, known)}"
        for where, split in _table(raw, "data").items()
        if isinstance(split, dict) and split.get("layout") == "folder" and split.get("labels", "labels") is not None
        for name in dict.fromkeys(named_in(split.get("class_map")))
        if name not in known
    ]


def supervision_problems(params: Params) -> list[str]:
    """Return which initial models learn from something missing, or would leave rounds stale without DVC's notice."""
    known = ("source", TARGET_LABELLED, *params.translations)
    problems = [
        f"initial_models.{name}.supervision: {initial.supervision!r} is none of {', '.join(known)}"
        f"{did_you_mean(initial.supervision, known)}"
        for name, initial in params.initial_models.items()
        if initial.supervision not in known
    ]
    # A round reads its initial model's translation, which is no dependency of its own: DVC sees a change through the
    # model.pt that was trained on it (dvc.yaml, adapt). A checkpoint stays the same file.
    problems += [
        f"initial_models.{name}.weights: a checkpoint stays the same when the translation {initial.supervision!r} "
        "changes, and DVC would not run the rounds after it again; say supervision: source, or train this model (no "
        "weights)"
        for name, initial in params.initial_models.items()
        if initial.alignment == "none" and initial.weights is not None and initial.supervision in params.translations
    ]
    return problems


def translation_problems(params: Params) -> list[str]:
    """Return which windows do not fit into the images."""
    sizes = {"source": params.data.source.size, "target": params.data.target.size}
    return [
        f"translations.{name}.crop: is {list(entry.crop)}, and the {split}'s images are {list(size)}; make it smaller"
        for name, entry in params.translations.items()
        for split, size in ((split, own or params.data.size) for split, own in sizes.items())
        if entry.method == "cyclegan" and (entry.crop[0] > size[0] or entry.crop[1] > size[1])
    ]


def alignment_problems(params: Params) -> list[str]:
    """Return which initial models have images from which their discriminators make no score."""
    sizes = {
        "data.source": params.data.source.size or params.data.size,
        "data.target": params.data.target.size or params.data.size,
    }
    return [
        f"initial_models.{name}.alignment: {initial.alignment} {problem}"
        for name, initial in params.initial_models.items()
        if initial.alignment in ("advent", "adaptsegnet")
        for split, (height, width) in sizes.items()
        if (problem := initial.discriminators.problem(height, width, split)) is not None
    ]


def method_problems(params: Params) -> list[str]:
    """Return what the methods find wrong with their rounds."""
    return [
        problem
        for name, entry in params.rounds.items()
        if getattr(params, entry.method) is not None
        for problem in METHODS[entry.method].problems(params, name, params.section_of(entry), entry)
    ]


def hrda_problems(params: Params) -> list[str]:
    """Return what would train a network that is only looked at."""
    if params.model.architecture != "hrda":
        return []
    trained = [f"initial_models.{name}" for name, entry in params.initial_models.items() if not _is_given(entry)]
    return [
        f"{place}: model.architecture hrda is imported and evaluated, not trained: give initial models `weights`, "
        "leave rounds out, or say architecture: daformer"
        for place in (*trained, *(f"rounds.{name}" for name in params.rounds))
    ]


def _is_given(initial: AnyInitialModel) -> bool:
    return initial.alignment == "none" and initial.weights is not None


def digit_problems(params: Params) -> list[str]:
    """Return where digits are mixed with streets, and where digits would be mirrored."""
    classes = class_set(params.classes).name
    digits = classes == DIGITS_10.name
    splits = {"source": params.data.source, "target": params.data.target, "evaluation": params.data.evaluation}
    problems = [
        f"data.{name}.layout: {split.layout} has no class of {classes}"
        + ("" if digits else f"; say classes: {DIGITS_10.name}")
        for name, split in splits.items()
        if split.layout != "folder" and (split.layout == "digits") != digits
    ]
    flips = {
        "pretrain.augmentation": params.pretrain.augmentation.flip,
        "adapt.augmentation": params.adapt.augmentation.flip,
        "dump": params.dump.flip,
    }
    # an entry that says nothing of flips does as the section says, which is listed
    flips |= {
        f"{place}.augmentation": _table(changes, "augmentation").get("flip", False)
        for place, changes in changes_of(params)
    }
    if digits:
        problems += [f"{name}.flip: a mirrored digit is none; say false" for name, flip in flips.items() if flip]
    return problems


def _from_oracle(params: Params) -> set[str]:
    seen = {name for name, initial in params.initial_models.items() if initial.is_oracle}
    for name, entry in params.rounds.items():
        if entry.init in seen:
            seen.add(name)
    return seen


def section_problems(params: Params) -> list[str]:
    """Return what is wrong between the sections of params whose every section is right by itself."""
    checks = (
        class_problems, class_weight_problems, alignment_problems, method_problems, digit_problems, hrda_problems,
        supervision_problems, translation_problems,
    )  # fmt: skip
    return [problem for check in checks for problem in check(params)]
