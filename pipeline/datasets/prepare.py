"""What the prepare stage does: draw or unpack images, read every file, and write the manifests of the splits.

A part of the source is a split of its own, ``source-held-back``, which no training reads (hold_back.py). The
target has two manifests: ``target`` without labels, which adaptation reads, and ``target-labelled``, which only the
evaluation of pseudo-labels and the oracle open.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.common.labels import ClassSet
from pipeline.datasets.cracks.files import write_cracks
from pipeline.datasets.entries import LAYOUTS, Entry, entries, image_reading, label_reader, label_table, meanings
from pipeline.datasets.hold_back import divide, held_back
from pipeline.datasets.index import Problem, index_split, raise_on, shared_images
from pipeline.datasets.layouts.digits import digit_entries, has_labels, write_digits, write_labels
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.manifest import PREPARED, Manifest, manifest_path
from pipeline.datasets.opening import HELD_BACK, LabelFormat, PreparedSplit, labels_of, write_split
from pipeline.datasets.parallel import in_order
from pipeline.datasets.seen import write_times
from pipeline.datasets.spatial_prior import estimate, write_prior
from pipeline.datasets.streets.files import write_streets
from pipeline.datasets.tile_rows import by_tiles
from pipeline.datasets.walking import passed_over

if TYPE_CHECKING:
    from pipeline.params import AnySplit, Data, DigitsSplit

REPORT = Path("data") / "problems.txt"
_CLOCKS_DIFFER = 10 * 10**9
"""Nanoseconds: a file server's clock may be late."""
SPLITS = ("source", "target", "target-labelled", "evaluation", HELD_BACK)


def prepare(
    data: Data,
    seed: int,
    classes: ClassSet,
    *,
    workers: int,
    progress: bool,
    say: Callable[[str], object] = lambda _notice: None,
) -> dict[str, int]:
    """Write the manifests of all splits and return how many images each has.

    ``say`` takes a line for each kind of thing that is left out, converted or passed over.

    Raises:
        DataError: with the first problems; data/problems.txt then names every file.
    """
    problems: list[Problem] = []
    began = time.time_ns() - _CLOCKS_DIFFER
    for name in SPLITS:
        shutil.rmtree(PREPARED / name, ignore_errors=True)
        (PREPARED / name).mkdir(parents=True)
    index = partial(_index, classes=classes, workers=workers, progress=progress, say=say)
    for name, split in (("source", data.source), ("target", data.target), ("evaluation", data.evaluation)):
        with passed_over() as left_out:
            files = _files(name, split, seed, classes, progress)
        problems += index(name, split, files, left_out, needs_labels=name != "target")
    problems += _index_labelled(
        data.target, _files("target-labelled", data.target, seed, classes, progress), index, say
    )
    if not problems:
        problems += shared_images(Manifest(manifest_path("target")), Manifest(manifest_path("evaluation")))
    REPORT.unlink(missing_ok=True)
    raise_on(list(dict.fromkeys(problems)), REPORT)
    _hold_back(data, seed, classes)
    _spatial_prior(data, classes, workers=workers, progress=progress)
    manifests = {name: Manifest(manifest_path(name)) for name in SPLITS if manifest_path(name).exists()}
    for manifest in manifests.values():
        write_times(manifest, began)
    return {name: len(manifest) for name, manifest in manifests.items()}


def _index(
    name: str,
    split: AnySplit,
    files: Iterator[Entry],
    left_out: Counter[str] | None,
    *,
    needs_labels: bool,
    classes: ClassSet,
    workers: int,
    progress: bool,
    say: Callable[[str], object],
) -> list[Problem]:
    """Write a split's manifest and return its problems; ``left_out`` None: what is passed over was said before."""
    notes = Counter[str]()
    problems = index_split(
        files if split.tiling is None else by_tiles(files),
        label_table(split, classes),
        manifest_path(name),
        needs_labels=needs_labels,
        crop=split.crop,
        workers=workers,
        progress=progress,
        read=label_reader(split),
        reading=image_reading(split),
        tiling=split.tiling,
        notes=notes,
    )
    if left_out is not None:
        _say(say, name, left_out, notes)
    write_split(PREPARED / name, _resolved(split, classes, needs_labels))
    return problems


def _index_labelled(
    split: AnySplit, files: Iterator[Entry], index: Callable[..., list[Problem]], say: Callable[[str], object]
) -> list[Problem]:
    """Write the manifest of the target's images with labels, or a file that says that there is none."""
    name, halves = "target-labelled", Counter[str]()
    labelled, problems = _with_label(files, halves), []
    if labelled is None:
        (PREPARED / name / "no-labels.txt").write_text("the target has no labels\n", encoding="utf-8")
    else:
        problems = index(name, split, labelled, None, needs_labels=True)
    _say(say, "target", Counter(), halves)
    return problems


def _say(say: Callable[[str], object], name: str, left_out: Counter[str], notes: Counter[str]) -> None:
    """One line for what was passed over, one for each note about images."""
    if left_out:
        listed = ", ".join(f"{count} × {what}" for what, count in sorted(left_out.items()))
        say(f"data.{name}: passed over {listed}")
    for note, count in sorted(notes.items()):
        say(f"data.{name}: {count} image{'s' * (count > 1)}: {note}")


def _hold_back(data: Data, seed: int, classes: ClassSet) -> None:
    """Move a part of the source into a split of its own; where none is held back the folder says so."""
    source, held = PREPARED / "source", PREPARED / HELD_BACK
    ids = list(Manifest(manifest_path("source")).ids())
    positions = held_back(ids, data.hold_back, seed, frames=data.source.layout != "digits")
    if not positions:
        (held / "none.txt").write_text("no image of the source is held back\n", encoding="utf-8")
        return
    divide(source, held, positions)
    write_split(held, _resolved(data.source, classes, needs_labels=True))


def _resolved(split: AnySplit, classes: ClassSet, needs_labels: bool) -> PreparedSplit:
    """What later stages need of the split's layout; of its labels only where they may open them."""
    labels = None
    if needs_labels:
        layout = LAYOUTS[split.layout]
        class_of_id = {identity: meaning.counts_as for identity, meaning in meanings(split).items()}
        labels = LabelFormat(split.crop, layout.decoder(split), class_of_id, layout.folds(split))
    return PreparedSplit(classes.names, split.size, split.crop, labels, image_reading(split), split.tiling)


def _spatial_prior(data: Data, classes: ClassSet, *, workers: int, progress: bool) -> None:
    """Estimates the source's spatial prior where it is asked for; else the folder says so."""
    folder = PREPARED / "spatial-prior"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if not data.spatial_prior:
        (folder / "none.txt").write_text("data.spatial_prior is false\n", encoding="utf-8")
        return
    size = data.source.size or data.size
    labels = labels_of("source", classes, size)
    with ThreadPoolExecutor(workers) as pool:
        in_turn = in_order(pool, labels.label, range(len(labels)), 2 * workers)
        drawn = tqdm(in_turn, total=len(labels), unit="label", desc="spatial prior", disable=not progress)
        write_prior(folder, estimate(drawn, len(classes), size), classes)


def _with_label(files: Iterator[Entry], halves: Counter[str]) -> Iterator[Entry] | None:
    """The entries that have both files; None where no entry has. A target may be labelled in part, or not at all.

    ``halves`` counts the labels without image and, where other images have one, the images without label.
    """
    labelled = (entry for entry in files if not _is_half(entry, halves))
    first = next(labelled, None)
    if first is None:
        del halves[_NO_LABEL]
        return None
    return chain([first], labelled)


_NO_LABEL = "without a label, which only adaptation sees"


def _is_half(entry: Entry, halves: Counter[str]) -> bool:
    if entry.label is None:
        halves[_NO_LABEL] += 1
        return True
    if os.path.lexists(entry.image):
        return False
    halves["missing of which there is a label (do names differ? layout folder: image_ending, label_ending)"] += 1
    return True


def _files(name: str, split: AnySplit, seed: int, classes: ClassSet, progress: bool) -> Iterator[Entry]:
    if split.layout == "digits":
        return _unpacked(name, split, progress)
    folder = PREPARED / name
    if split.layout == "streets":
        return _drawn(name, partial(write_streets, split, seed, folder, classes, progress))
    if split.layout == "cracks":
        return _drawn(name, partial(write_cracks, split, seed, folder, classes, progress))
    return entries(split)


def _drawn(name: str, draw: Callable[[], None]) -> Iterator[Entry]:
    images, labels = PREPARED / name / "images", PREPARED / name / "labels"
    if name == "target":  # drawn together, kept apart: labels are never beside the images that adaptation reads
        draw()
        labels.replace(PREPARED / "target-labelled" / "labels")
        labels = PREPARED / "target-labelled" / "labels"
    elif name == "target-labelled":
        _link_all(PREPARED / "target" / "images", images)  # so that the oracle depends on one folder
    else:
        draw()
    return same_names(images, labels, endings=(".png",))


def _unpacked(name: str, split: DigitsSplit, progress: bool) -> Iterator[Entry]:
    """Digits out of their archive; the labels of a target are never beside the images that adaptation reads."""
    images, labels = PREPARED / name / "images", PREPARED / name / "labels"
    if name == "target-labelled":
        _link_all(PREPARED / "target" / "images", images)
    else:
        write_digits(split, images, progress)
    if name == "target" or not has_labels(split):
        return digit_entries(split, images, None)
    write_labels(split, labels)
    return digit_entries(split, images, labels)


def _link_all(folder: Path, other: Path) -> None:
    """The same files under another folder, without their bytes where the file system can."""
    shutil.copytree(folder, other, copy_function=_link_or_copy)


def _link_or_copy(path: str, other: str) -> None:
    try:
        Path(other).hardlink_to(path)
    except OSError:
        shutil.copyfile(path, other)
