"""The verdict on a round, from files to files: no label of the target is opened."""

# C class

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.cache.reader import CacheReader
from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, write_json
from pipeline.common.labels import DIGITS_10, ClassSet
from pipeline.common.work import publish, working_folder
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import HELD_BACK, images_of, labels_of
from pipeline.health.agreement import agreement, balanced_agreement
from pipeline.health.finding import Finding
from pipeline.health.observe import Observation, evenly_spaced, mirrored_confusion, observe
from pipeline.health.record import HEALTH, Record, Reference, read_health
from pipeline.health.share_drift import predicted_shares, share_drift
from pipeline.health.source_iou import mean_over_true, source_confusion, source_iou
from pipeline.health.verdict import judge
from pipeline.health.view_consistency import consistency_of_views, view_consistency
from pipeline.models.base import SegmentationModel
from pipeline.models.state import load_model

if TYPE_CHECKING:
    from pipeline.params.health import Health

TRAINED, MODEL = "trained.pt", "model.pt"


class Examination(NamedTuple):
    """A round to be judged, and with what."""

    runs: Path
    chain: tuple[str, ...]
    """The names of the initial model and of the rounds up to this one."""
    size: tuple[int, int]
    settings: Health
    classes: ClassSet
    computer: Device

    @property
    def mirror(self) -> bool:
        """Whether an image and its mirror image show the same classes: a mirrored digit is not a digit."""
        return self.classes.name != DIGITS_10.name

    def network(self, file: Path) -> SegmentationModel:
        """Return the network of a file, on the computer's device."""
        model = load_model(file, "cpu")
        self.computer.place(model)
        return model


def health_of_round(this: Examination, *, guard: bool) -> Record:
    """Judge the round at the end of a chain, and write model.pt and health.json into its folder.

    With ``guard`` the round's model.pt is that of its init where the verdict is *fails*; otherwise it is always the
    trained one.

    Raises:
        ReadableError: the caches are not of the target's images, or the verdict on the round before is missing.
    """
    folder, init = this.runs / this.chain[-1], this.runs / this.chain[-2]
    with working_folder(f"health-{this.chain[-1]}", trained=file_hash(folder / TRAINED)) as work:
        record = _judged(this)
        if guard and record.verdict == "fails":
            record = record._replace(result="init")
        shutil.copyfile(folder / TRAINED if record.result == "trained" else init / MODEL, work / MODEL)
        write_json(work / HEALTH, record.as_json())
        publish(work / HEALTH, folder / HEALTH)
        publish(work / MODEL, folder / MODEL)
    return record


def _judged(this: Examination) -> Record:
    """Look at the trained network, and judge it by all criteria."""
    name, images, settings = this.chain[-1], images_of("target", this.size), this.settings
    positions, earlier = evenly_spaced(len(images), settings.images), earlier_answers(this.runs, this.chain, images)
    model = this.network(this.runs / name / TRAINED)
    seen = observe(
        name,
        model,
        images.image,
        earlier,
        positions,
        mirror=this.mirror,
        pixels=settings.pixels,
        computer=this.computer,
    )
    reference = _reference(this, seen, images, positions)
    views = view_consistency(seen.mirrored_CC, settings.smallest_share) if this.mirror else None
    iou = _iou_on_held_back(this, model)
    findings = judged_by_criteria(seen, iou, views, reference, settings, this.classes.names)
    judgement = judge(findings, reference.run)
    criteria = {criterion: finding.as_json() for criterion, finding in findings.items()}
    return Record(*judgement, "trained", criteria, reference, seen.uncertainty[name].values(), len(positions))


def judged_by_criteria(
    seen: Observation,
    iou: float | None,
    views: float | None,
    reference: Reference,
    settings: Health,
    names: tuple[str, ...],
) -> dict[str, Finding]:
    """Return what each criterion says of the last network of the observation.

    ``iou`` is its mean IoU on the held-back source, ``views`` its consistency over mirrored views; None where there is
    none. ``names`` are the classes'.
    """
    own_CC, than = list(seen.votes.values())[-1], reference.run
    scores = {network: balanced_agreement(vote_CC, settings.smallest_share) for network, vote_CC in seen.votes.items()}
    return {
        "share_drift": share_drift(
            predicted_shares(own_CC.sum(axis=0)),
            np.array([reference.shares[name] for name in names]),
            names,
            than=than,
            falls=settings.share_falls,
            grows=settings.share_grows,
            smallest=settings.smallest_share,
            most=settings.share_divergence,
        ),
        "source_iou": source_iou(iou, reference.source_iou, than=than, drop=settings.source_iou_drop),
        "agreement": agreement(scores, drop=settings.agreement_drop, members=settings.agreement_members),
        "view_consistency": consistency_of_views(
            views, reference.view_consistency, than=than, drop=settings.view_consistency_drop
        ),
    }


def earlier_answers(runs: Path, chain: Sequence[str], images: SplitImages) -> dict[str, CacheReader]:
    """Return the caches of the chain's networks before the last, each network once, by the run that it is of.

    A round's cache holds the answers of its init. A round whose result was its init (`guard`) adds no network.

    Raises:
        ReadableError: a cache is of other images.
    """
    earlier = dict[str, CacheReader]()
    for network, following in pairwise(chain):
        reader = CacheReader(runs / following / "cache")
        if reader.image_ids != list(images.manifest.ids()):
            raise ReadableError(f"{reader.index.folder}: is not of the target's images; run `dvc repro`")
        if all(reader.spec.fingerprint != other.spec.fingerprint for other in earlier.values()):
            earlier[network] = reader
    return earlier


def _reference(this: Examination, seen: Observation, images: SplitImages, positions: Sequence[int]) -> Reference:
    """Return what the chain's initial model was like: computed in its first round, and handed on by each round."""
    initial, before = this.chain[0], this.chain[-2]
    if before != initial:
        record = read_health(this.runs / before)
        if record is None:
            raise ReadableError(f"{this.runs / before / HEALTH}: is missing; run `dvc repro health@{before}`")
        return record.reference
    model = this.network(this.runs / initial / MODEL)
    views = None
    if this.mirror:
        mirrored_CC = mirrored_confusion(model, images.image, positions, images.size, this.computer)
        views = view_consistency(mirrored_CC, this.settings.smallest_share)
    share_C = predicted_shares(seen.votes[initial].sum(axis=0))
    shares = dict(zip(this.classes.names, share_C.tolist(), strict=True))
    return Reference(initial, shares, _iou_on_held_back(this, model), views, seen.uncertainty[initial].values())


def _iou_on_held_back(this: Examination, model: SegmentationModel) -> float | None:
    """Return the mean IoU on the held-back source; None where none is held back."""
    if not manifest_path(HELD_BACK).exists():
        return None
    images, labels = images_of(HELD_BACK, this.size), labels_of(HELD_BACK, this.classes, None)
    return mean_over_true(source_confusion(model, images, labels, len(this.classes), this.computer))
