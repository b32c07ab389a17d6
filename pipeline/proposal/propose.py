"""From two folders to a params.yaml: layouts, class map, size and budget, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import ReadableError, counted
from pipeline.proposal.folders import ImageFolder, look_at
from pipeline.proposal.labels import ClassMap, Value, are_cityscapes, class_map_of, evenly, values_in
from pipeline.proposal.size import Budget, crop_to_shape, size_of_files, typical, working_size
from pipeline.proposal.write import params_text

_SIZES_READ = 40
_SCORED = 5
"""Where no images are given for it, every fifth part of the target (or of the source) is scored."""


class Names(NamedTuple):
    """Names for the values in labels, in their order; None to call them class-0, class-1, …, or as the source's."""

    source: Sequence[str] | None = None
    target: Sequence[str] | None = None
    """Of the target's and the evaluation's labels."""


class Proposal(NamedTuple):
    """The text of a params.yaml, and a line on each thing that was seen and decided."""

    text: str
    why: list[str]


def propose(source: Path, target: Path, evaluation: Path | None, names: Names, budget: Budget) -> Proposal:
    """Look at the folders and write the params.

    Raises:
        ReadableError: a folder has no images, the source has no labels, or names and labels do not fit.
    """
    folders = {"source": look_at(source, "source"), "target": look_at(target, "target")}
    if not folders["source"].has_labels:
        raise ReadableError(
            f"{source}: {folders['source'].why}; the source needs labels: give the folder that holds both"
        )
    why = [f"{name}: {counted(one.images, 'image')}; {one.why}" for name, one in folders.items()]
    sections = {name: dict(one.section) for name, one in folders.items()}
    folders["evaluation"] = _evaluation(folders, sections, target, evaluation, why)
    sections.setdefault("evaluation", dict(folders["evaluation"].section))
    classes = _classes(folders, sections, names, why)
    size = _size(folders, sections, budget, why)
    splits = {name: (sections[name], f"{folders[name].why}") for name in ("source", "target", "evaluation")}
    steps = f"{budget.pretrain_steps} steps on the source, then two rounds of {budget.adapt_steps}"
    why.append(f"budget: {budget.device}: {steps}; a mean teacher, whose rounds are judged without labels")
    return Proposal(params_text(classes, size, splits, budget), why)


def _evaluation(
    folders: dict[str, ImageFolder], sections: dict[str, Any], target: Path, evaluation: Path | None, why: list[str]
) -> ImageFolder:
    """Choose the images that are scored: those given, a part of their own below the target's folder, or a fifth."""
    if evaluation is not None:
        chosen = look_at(evaluation, "evaluation")
        if not chosen.has_labels:
            raise ReadableError(f"{evaluation}: {chosen.why}; images that are scored need labels")
        why.append(f"evaluation: {counted(chosen.images, 'image')}; {chosen.why}")
        return chosen
    part = _part_for_scoring(target)
    if part is not None and part.section != folders["target"].section:
        why.append(f"evaluation: {counted(part.images, 'image')}; {part.why}")
        return part
    of = "target" if folders["target"].has_labels and folders["target"].images > _SCORED else "source"
    count = folders[of].images - max(1, folders[of].images // _SCORED)
    sections["evaluation"] = sections[of] | {"take": [count, None]}
    sections[of]["take"] = [None, count]
    why.append(
        f"evaluation: the last {counted(folders[of].images - count, 'image')} of the {of}"
        + (
            ""
            if of == "target"
            else ": the target has no labels, so that scores say nothing of it (--evaluation FOLDER)"
        )
    )
    return folders[of]


def _part_for_scoring(target: Path) -> ImageFolder | None:
    """Return the labelled images of a folder ``val`` or the like below the target, or of a published set's part."""
    try:
        part = look_at(target, "evaluation")
    except ReadableError:  # it has none
        return None
    return part if part.has_labels else None


def _classes(
    folders: dict[str, ImageFolder], sections: dict[str, Any], names: Names, why: list[str]
) -> str | dict[str, Any]:
    """Return ``classes`` and put class maps into the sections of one's own images."""
    own = [name for name, one in folders.items() if not one.published and one.has_labels]
    if folders["source"].published:
        if own:
            raise ReadableError(f"{', '.join(own)}: own labels, and a published source; write the class_map by hand")
        why.append("classes: those of Cityscapes that the source has")
        return "synthia-16" if folders["source"].section["layout"] == "synthia" else "cityscapes-19"
    labelled = class_map_of(values_in(folders["source"].entries()), names.source)
    for name in own:
        of_target = folders[name] is not folders["source"]
        if of_target and names.target is not None:
            own_map = class_map_of(values_in(folders[name].entries()), names.target).meaning
        else:
            own_map = _same_map(folders[name], labelled) if of_target else labelled.meaning
        sections[name]["class_map"] = dict(own_map)
        why.append(f"{name}: labels {', '.join(f'{value} {meaning}' for value, meaning in own_map.items())}")
    if len(own) > 1 and names.target is None:
        why.append("all labels are taken to mean the same: look at `roundabout classes`, or --target-classes")
    return _own(labelled)


def _same_map(one: ImageFolder, labelled: ClassMap) -> dict[Value, str]:
    """Return the source's map; raise ReadableError where labels hold what is not in it."""
    strange = set(values_in(one.entries())) - set(labelled.meaning)
    if not strange:
        return labelled.meaning
    held = ", ".join(map(str, sorted(strange, key=str)))
    raise ReadableError(
        f"{one.section['root']}: labels hold {held}, which the source's do not; name the values of the target and the"
        " evaluation by --target-classes"
    )


def _own(labelled: ClassMap) -> dict[str, Any]:
    if are_cityscapes(labelled.names):
        return {"own": list(labelled.names)}
    own: dict[str, Any] = {"names": list(labelled.names)}
    if len(labelled.names) == 2 and "background" in labelled.names:
        own["foreground"] = next(name for name in labelled.names if name != "background")
    return own


def _size(folders: dict[str, ImageFolder], sections: dict[str, Any], budget: Budget, why: list[str]) -> tuple[int, int]:
    """Return the working size, of the target's shape; the source is cut to it where it would be stretched."""
    sizes = {
        name: size_of_files([entry.image for entry in evenly(one.entries(), _SIZES_READ)])
        for name, one in folders.items()
    }
    shape = typical(sizes["target"])
    size = working_size(shape, budget.pixels)
    why.append(f"size: {size[0]} high, {size[1]} wide; the target's images are {shape[0]} high and {shape[1]} wide")
    for name, some in sizes.items():
        crop = crop_to_shape(some, size)
        if crop is not None:
            sections[name]["crop"] = list(crop)
            why.append(f"{name}: cut to the middle, {crop[2]} high and {crop[3]} wide, so that nothing is stretched")
    return size
