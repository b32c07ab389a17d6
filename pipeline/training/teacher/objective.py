"""What the network learns in a teacher's round: the source, and the target as the teacher labels it.

L = CE(source) + r · λ · Σ w · CE(mixed) / (N·H·W): the label of a mixed image is the source's where its pixels were
pasted, with weight 1, and elsewhere the teacher's, with weight 1 where its class's quota trusts it (DACS Eq. 3 with
weights for each pixel). r rises from 0 to 1 over the ramp. Where they are asked for: the feature distance joins the
source's loss, MRKLD the mixed images', and masked images of the target add a loss of their own (MIC).

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
from pipeline.training.distributed import mean
from pipeline.training.forward import Outputs, forward_batch
from pipeline.training.losses import model_regulariser, pixel_weights_of, weighted_cross_entropy
from pipeline.training.objectives import AUXILIARY_WEIGHT, Term, segmentation_loss
from pipeline.training.photometric import Photometric
from pipeline.training.teacher.classmix import chosen_classes, paste, pixels_of
from pipeline.training.teacher.feature_distance import feature_distance
from pipeline.training.teacher.masking import block_counts, block_mask
from pipeline.training.teacher.pixel_weights import pixel_weights
from pipeline.training.teacher.quota import RunningQuantile

if TYPE_CHECKING:
    from pipeline.methods.teacher import Teacher, TeacherRound


class Reference(NamedTuple):
    """The network whose features the encoder's stay near, and the train ids of the classes that count."""

    network: SegmentationModel
    things: list[int]


class Pasted(NamedTuple):
    """Mixed images with their labels, the weights of the pixels, and which pixels (N,H,W) are the source's."""

    labelled: Labelled
    weight_NHW: Tensor
    source_NHW: Tensor


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
        reference: Reference | None = None,
    ) -> None:
        """Begin with the cache's counts (C,B) by class and confidence; ``batch`` images are drawn in each step."""
        super().__init__()
        self.section, self.entry, self.changes = section, entry, changes
        self.seed, self.run, self.batch, self.steps = seed, run, batch, steps
        self.quota = RunningQuantile(counts_CB, section.memory)
        # in lists, so that they are no part of this module's state
        self._teacher: list[SegmentationModel] = []
        self._reference = [] if reference is None else [reference]

    def taught_by(self, teacher: SegmentationModel) -> TeacherObjective:
        """Let this network label the target; it is not trained here."""
        self._teacher = [teacher]
        return self

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """Yield the terms `source`, `mixed`, and `masked` and `patches` where asked for; and what is not trained on."""
        source, ramp = batch["source"], self._ramp(batch["target"])
        yield from self._source_terms(model, source)
        label_NHW, weight_NHW = self._pseudo_labels(batch["target"])
        target = batch["target"]._replace(label_NHW=label_NHW)
        yield "mixed", self.section.target_weight * ramp * self._mixed_loss(model, source, target, weight_NHW)
        mask = self.entry.mask
        if mask is not None and mask.of == "target":
            yield "masked", mask.weight * ramp * self._masked_loss(model, target, weight_NHW)
        if "patches" in batch:
            patches = batch["patches"]
            loss = segmentation_loss(forward_batch(model, patches), patches)
            yield "patches", self.section.patches_weight * ramp * loss
        yield "trusted", mean(weight_NHW)

    # ------------------------------------------------------------------------------------------------------- the source

    def _source_terms(self, model: SegmentationModel, source: Labelled) -> Iterator[Term]:
        shown = self._changed(source, self.changes.source, "source")
        outputs = forward_batch(model, shown, front=bool(self._reference))
        if self.section.compat == "author":
            weight_C = source.class_weight_C
            weight_NHW = None if weight_C is None else pixel_weights_of(source.label_NHW, weight_C)
            loss = _weighted_loss(outputs, source.label_NHW, weight_NHW)
        else:
            loss = segmentation_loss(outputs, source)
        if self._reference and self.section.feature_distance is not None:
            distance = self._distance(outputs, shown)
            yield "source", loss + self.section.feature_distance.weight * distance
            yield "feature_distance", distance.detach()
        else:
            yield "source", loss

    def _distance(self, outputs: Outputs, shown: Labelled) -> Tensor:
        """Return the mean distance of the last features from the reference's (DAFormer)."""
        ((network, things),) = self._reference
        with torch.no_grad():
            last_NDhw = forward_batch(network.to(shown.image_N3HW.device).eval(), shown, front=True).last_NDhw
        assert last_NDhw is not None
        assert outputs.last_NDhw is not None
        assert self.section.feature_distance is not None
        share = self.section.feature_distance.least_share
        return feature_distance(outputs.last_NDhw, last_NDhw, shown.label_NHW, things, share)

    # ------------------------------------------------------------------------------------------------------- the target

    @torch.no_grad()
    def _pseudo_labels(self, target: Labelled) -> tuple[Tensor, Tensor]:
        """Return the teacher's labels (N,H,W) uint8, IGNORE outside of the image, and the weights of the pixels."""
        confidence_NHW, label_NHW = self._probability(target).max(dim=1)
        label_NHW = torch.where(target.label_NHW == IGNORE, IGNORE, label_NHW).to(torch.uint8)
        weight_NHW = pixel_weights(self.section, self.entry.portion, self.quota, label_NHW, confidence_NHW)
        return label_NHW, weight_NHW

    def _probability(self, target: Labelled) -> Tensor:
        (teacher,) = self._teacher
        prob_NCHW = forward_batch(teacher, target).prob("main")
        if not self.section.flip:
            return prob_NCHW
        mirrored = target._replace(image_N3HW=target.image_N3HW.flip(-1))
        return (prob_NCHW + forward_batch(teacher, mirrored).prob("main").flip(-1)) / 2

    def _mixed_loss(self, model: SegmentationModel, source: Labelled, target: Labelled, weight_NHW: Tensor) -> Tensor:
        pasted = self._mixed(source, target, weight_NHW)
        shown = self._changed(pasted.labelled, self.changes.mixed, "mixed")
        outputs = forward_batch(model, shown, kept_NHW=self._kept_of_mixed(shown))
        loss = _weighted_loss(outputs, shown.label_NHW, pasted.weight_NHW)
        if self.section.regulariser > 0:
            pseudo_NHW = ~pasted.source_NHW & (pasted.weight_NHW > 0)
            label_NHW = torch.where(pseudo_NHW, shown.label_NHW, IGNORE)
            loss = loss + self.section.regulariser * model_regulariser(outputs.main_NCHW, label_NHW)
        return loss

    def _mixed(self, source: Labelled, target: Labelled, weight_NHW: Tensor) -> Pasted:
        if self.section.mix == "none":
            return Pasted(target, weight_NHW, torch.zeros_like(weight_NHW, dtype=torch.bool))
        pasted = zip(source.label_NHW, self._pasted_classes(source.label_NHW, target.draws), strict=True)
        mask_NHW = torch.stack([pixels_of(label_HW, classes) for label_HW, classes in pasted])
        image_N3HW = paste(mask_NHW, source.image_N3HW, target.image_N3HW)
        label_NHW = paste(mask_NHW, source.label_NHW, target.label_NHW)
        mixed = target._replace(image_N3HW=image_N3HW, label_NHW=label_NHW)
        return Pasted(mixed, paste(mask_NHW, torch.ones_like(weight_NHW), weight_NHW), mask_NHW)

    def _masked_loss(self, model: SegmentationModel, target: Labelled, weight_NHW: Tensor) -> Tensor:
        """Return the loss on target images with hidden blocks; labels and weights are those of the whole images."""
        shown = self._changed(target, self.changes.mixed, "masked")
        outputs = forward_batch(model, shown, kept_NHW=self._kept(shown))
        return _weighted_loss(outputs, shown.label_NHW, weight_NHW)

    def _kept_of_mixed(self, mixed: Labelled) -> Tensor | None:
        """Return which pixels of mixed images are shown: all of every second image; None: all of all."""
        if self.entry.mask is None or self.entry.mask.of != "mixed":
            return None
        whole_N = torch.tensor([draw % 2 == 0 for draw in mixed.draws], device=mixed.label_NHW.device)
        return self._kept(mixed) | whole_N[:, None, None]

    def _kept(self, shown: Labelled) -> Tensor:
        assert self.entry.mask is not None
        height, width = shown.label_NHW.shape[-2:]
        random_Nhw = self._random_blocks((height, width), self.entry.mask.block, shown.draws)
        mask_NHW = block_mask(random_Nhw, (height, width), self.entry.mask.block, self.entry.mask.ratio)
        return mask_NHW.to(shown.label_NHW.device)

    # ---------------------------------------------------------------------------- what is drawn, by (seed, run, draw)

    def _pasted_classes(self, label_NHW: Tensor, draws: range) -> list[list[int]]:
        """Return for each image the classes that are pasted; in compat author those of this process's whole batch."""
        author = self.section.compat == "author"
        return [
            chosen_classes(label_NHW if author else label_HW, self._generator("classes", draw), with_ignored=author)
            for label_HW, draw in zip(label_NHW, draws, strict=True)
        ]

    def _random_blocks(self, size: tuple[int, int], block: int, draws: range) -> Tensor:
        """Return a number from U(0, 1) for each block of each image (N,h,w)."""
        counts = block_counts(size, block)
        return torch.from_numpy(np.stack([self._generator("blocks", draw).random(counts) for draw in draws]))

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


def _weighted_loss(outputs: Outputs, label_NHW: Tensor, weight_NHW: Tensor | None = None) -> Tensor:
    loss = weighted_cross_entropy(outputs.main_NCHW, label_NHW, weight_NHW)
    if outputs.auxiliary_NCHW is not None:
        loss = loss + AUXILIARY_WEIGHT * weighted_cross_entropy(outputs.auxiliary_NCHW, label_NHW, weight_NHW)
    return loss
