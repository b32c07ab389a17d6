"""What the network learns in a teacher's round: the source, and the target as the teacher labels it.

L = CE(source) + r · λ · Σ w · CE(mixed) / (N·H·W): the label of a mixed image is the source's where its pixels were
pasted, with weight 1, and elsewhere the teacher's, with weight 1 where its class's quota trusts it (DACS Eq. 3 with
weights for each pixel). r rises from 0 to 1 over the ramp.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.common.labels import IGNORE
from pipeline.models.base import SegmentationModel
from pipeline.training.batches import Batch, Labelled
from pipeline.training.forward import Outputs, forward_batch
from pipeline.training.losses import weighted_cross_entropy
from pipeline.training.objectives import Term, segmentation_loss
from pipeline.training.photometric import Photometric
from pipeline.training.teacher.classmix import chosen_classes, paste, pixels_of
from pipeline.training.teacher.quota import RunningQuantile

if TYPE_CHECKING:
    from pipeline.methods.teacher import Teacher, TeacherRound

_AUXILIARY_WEIGHT = 0.1


class Changes(NamedTuple):
    """The photometric changes that the network, unlike its teacher, sees."""

    source: Photometric | None
    mixed: Photometric | None


class TeacherObjective(nn.Module):
    """The objective, and what it keeps between steps: the running quantiles."""

    def __init__(
        self,
        section: Teacher,
        entry: TeacherRound,
        counts_CB: np.ndarray,
        changes: Changes,
        *,
        seed: int,
        run: str,
        batch: int,
        steps: int,
    ) -> None:
        """Begin with the cache's counts (C,B) by class and confidence; ``batch`` images are drawn in each step."""
        super().__init__()
        self.section, self.entry, self.changes = section, entry, changes
        self.seed, self.run, self.batch, self.steps = seed, run, batch, steps
        self.quota = RunningQuantile(counts_CB, section.memory)
        self._teacher: list[SegmentationModel] = []  # in a list, so that it is no part of this module's state

    def taught_by(self, teacher: SegmentationModel) -> TeacherObjective:
        """Let this network label the target; it is not trained here."""
        self._teacher = [teacher]
        return self

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """Yield the terms `source`, `mixed`, and `patches` where there are some; and what is not trained on."""
        source, target = batch["source"], batch["target"]
        label_NHW, weight_NHW = self._pseudo_labels(target)
        shown = self._changed(source, self.changes.source, "source")
        yield "source", segmentation_loss(forward_batch(model, shown), source.label_NHW)
        mixed, mixed_weight_NHW = self._mixed(source, target._replace(label_NHW=label_NHW), weight_NHW)
        mixed = self._changed(mixed, self.changes.mixed, "mixed")
        factor = self.section.target_weight * self._ramp(target)
        loss = _weighted_loss(forward_batch(model, mixed), mixed.label_NHW, mixed_weight_NHW)
        yield "mixed", factor * loss
        if "patches" in batch:
            patches = batch["patches"]
            loss = segmentation_loss(forward_batch(model, patches), patches.label_NHW)
            yield "patches", self.section.patches_weight * self._ramp(target) * loss
        yield "trusted", weight_NHW.mean()

    @torch.no_grad()
    def _pseudo_labels(self, target: Labelled) -> tuple[Tensor, Tensor]:
        """Return the teacher's labels (N,H,W) uint8, IGNORE outside of the image, and the weights of the pixels."""
        prob_NCHW = self._probability(target)
        confidence_NHW, label_NHW = prob_NCHW.max(dim=1)
        label_NHW = torch.where(target.label_NHW == IGNORE, IGNORE, label_NHW).to(torch.uint8)
        self.quota.add(label_NHW, confidence_NHW)
        threshold_C = self.quota.thresholds(self.entry.portion, self.section.largest_threshold)
        valid_NHW = label_NHW != IGNORE
        least_NHW = threshold_C[torch.where(valid_NHW, label_NHW, 0).long()]
        weight_NHW = (valid_NHW & (confidence_NHW >= least_NHW)).float()
        return label_NHW, weight_NHW

    def _probability(self, target: Labelled) -> Tensor:
        (teacher,) = self._teacher
        prob_NCHW = forward_batch(teacher, target).prob("main")
        if not self.section.flip:
            return prob_NCHW
        mirrored = target._replace(image_N3HW=target.image_N3HW.flip(-1))
        return (prob_NCHW + forward_batch(teacher, mirrored).prob("main").flip(-1)) / 2

    def _mixed(self, source: Labelled, target: Labelled, weight_NHW: Tensor) -> tuple[Labelled, Tensor]:
        """Return the mixed images with their labels, and the weights of their pixels."""
        if self.section.mix == "none":
            return target, weight_NHW
        chosen = [
            pixels_of(label_HW, chosen_classes(label_HW, self._generator("classes", draw)))
            for label_HW, draw in zip(source.label_NHW, target.draws, strict=True)
        ]
        mask_NHW = torch.stack(chosen)
        image_N3HW = paste(mask_NHW, source.image_N3HW, target.image_N3HW)
        label_NHW = paste(mask_NHW, source.label_NHW, target.label_NHW)
        mixed = target._replace(image_N3HW=image_N3HW, label_NHW=label_NHW)
        return mixed, paste(mask_NHW, torch.ones_like(weight_NHW), weight_NHW)

    def _changed(self, labelled: Labelled, photometric: Photometric | None, name: str) -> Labelled:
        if photometric is None:
            return labelled
        images = [
            photometric.draw(self._generator(name, draw))(image_3HW)
            for image_3HW, draw in zip(labelled.image_N3HW, labelled.draws, strict=True)
        ]
        return labelled._replace(image_N3HW=torch.stack(images))

    def _generator(self, name: str, draw: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(f"{self.run}/{name}".encode()), draw])

    def _ramp(self, target: Labelled) -> float:
        rising = self.section.ramp * self.steps
        return min(1.0, (target.draws[0] // self.batch) / rising) if rising else 1.0


def _weighted_loss(outputs: Outputs, label_NHW: Tensor, weight_NHW: Tensor) -> Tensor:
    loss = weighted_cross_entropy(outputs.main_NCHW, label_NHW, weight_NHW)
    if outputs.auxiliary_NCHW is not None:
        loss = loss + _AUXILIARY_WEIGHT * weighted_cross_entropy(outputs.auxiliary_NCHW, label_NHW, weight_NHW)
    return loss
