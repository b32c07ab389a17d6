"""Coverage and precision of a round's pseudo-labels. They need the target's labels, so are known after training."""

# C class, H/W pixels

from __future__ import annotations

import numpy as np

from pipeline.common.labels import IGNORE
from pipeline.evaluation.confusion import confusion_matrix


class PseudoLabelScore:
    """Sums over images: by class, the true pixels that have a pseudo-label, and how many of these are right."""

    def __init__(self, classes: int) -> None:
        self._confusion_CC = np.zeros((classes, classes), dtype=np.int64)
        self._true_C = np.zeros(classes, dtype=np.int64)

    def add(self, truth_HW: np.ndarray, pseudo_HW: np.ndarray) -> None:
        """Add one selected image; pixels whose truth is ignored are left out."""
        classes = len(self._true_C)
        self._confusion_CC += confusion_matrix(truth_HW, pseudo_HW, classes)
        self._true_C += np.bincount(truth_HW[truth_HW != IGNORE], minlength=classes)[:classes]

    def coverage(self) -> float | None:
        """Return the share of the selected images' pixels that have a pseudo-label; None without pixels."""
        return _share(int(self._confusion_CC.sum()), int(self._true_C.sum()))

    def precision(self) -> float | None:
        """Return the share of the pseudo-labels that are right; None without any."""
        return _share(int(np.trace(self._confusion_CC)), int(self._confusion_CC.sum()))

    def per_class(self, names: tuple[str, ...]) -> dict[str, dict[str, float | None]]:
        """Return the share of each class's true pixels that have any pseudo-label, and of its labels that are right."""
        given_C, hit_C = self._confusion_CC.sum(axis=0), np.diag(self._confusion_CC)
        covered_C = self._confusion_CC.sum(axis=1)
        return {
            name: {
                "coverage": _share(int(covered_C[index]), int(self._true_C[index])),
                "precision": _share(int(hit_C[index]), int(given_C[index])),
            }
            for index, name in enumerate(names)
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
