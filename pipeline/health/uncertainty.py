"""Criteria of the literature that never decide: mean entropy, InfoMax, nuclear norm, soft neighbourhood density.

On planted collapses (docs/health.md) entropy and SND prefer the collapse, InfoMax and the nuclear norm hardly see a
lost class. They are kept beside the verdict because papers choose networks by them. All are computed from a few pixels
of each image; sums are kept, not pixels.

InfoMax: Musgrave et al., "Three New Validators", 2022 (H(p̄) − mean H(p)). Nuclear norm: Cui et al., CVPR 2020
(‖P‖_*/√(N·min(N,C))). SND: Saito et al., ICCV 2021 (temperature .05, 100 pixels of an image).
"""

# C class, P pixels

from __future__ import annotations

import numpy as np

_TEMPERATURE = 0.05


def entropy(prob_PC: np.ndarray) -> np.ndarray:
    """Return the entropy of each row in nats (P,)."""
    logarithm_PC = np.log(np.where(prob_PC > 0, prob_PC, 1.0))
    entropy_P: np.ndarray = -(prob_PC * logarithm_PC).sum(axis=1)
    return entropy_P


def neighbourhood_density(prob_PC: np.ndarray) -> float:
    """Return the SND of one image's pixels: the entropy of each pixel's similarities to all (itself too), averaged."""
    feature_PC = prob_PC / np.linalg.norm(prob_PC, axis=1, keepdims=True)
    similarity_PP = feature_PC @ feature_PC.T / _TEMPERATURE
    weight_PP = np.exp(similarity_PP - similarity_PP.max(axis=1, keepdims=True))
    return float(entropy(weight_PP / weight_PP.sum(axis=1, keepdims=True)).mean())


class UncertaintySums:
    """Sums over images, from which the four criteria follow; memory does not grow with the images."""

    def __init__(self, classes: int) -> None:
        self._pixels, self._images = 0, 0
        self._entropy, self._density = 0.0, 0.0
        self._total_C = np.zeros(classes)
        self._gram_CC = np.zeros((classes, classes))

    def add(self, prob_PC: np.ndarray) -> None:
        """Add the pixels of one image, float64, each row summing to 1."""
        self._images += 1
        self._pixels += len(prob_PC)
        self._entropy += float(entropy(prob_PC).sum())
        self._density += neighbourhood_density(prob_PC)
        self._total_C += prob_PC.sum(axis=0)
        self._gram_CC += prob_PC.T @ prob_PC

    def values(self) -> dict[str, float]:
        """Return ``entropy``, ``infomax`` and ``snd`` in nats, and ``nuclear_norm`` in (0,1].

        The singular values of all pixels' P are the square roots of the eigenvalues of the sum PᵀP.

        Raises:
            ValueError: no pixel has been added.
        """
        if not self._pixels:
            raise ValueError("no pixel has been added")
        mean_entropy = self._entropy / self._pixels
        singular_C = np.sqrt(np.maximum(np.linalg.eigvalsh(self._gram_CC), 0.0))
        largest = np.sqrt(self._pixels * min(self._pixels, len(self._total_C)))
        return {
            "entropy": mean_entropy,
            "infomax": float(entropy(self._total_C[None] / self._pixels)[0]) - mean_entropy,
            "nuclear_norm": float(singular_C.sum() / largest),
            "snd": self._density / self._images,
        }
