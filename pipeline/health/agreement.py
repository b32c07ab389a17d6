"""Agreement with the ensemble of a chain's networks (EnsV), balanced over classes.

EnsV: Hu et al., NeurIPS 2024: p_E = mean of the candidates' softmax; a candidate's score is its agreement with
argmax p_E. Their candidates are runs with other hyper-parameters; here they are the networks of one chain: the initial
model's, and those of the rounds up to this one. The paper counts pixels; we average over classes, for a small class
that vanishes would not show.
"""

# C class, [ensemble's class, network's class] of a confusion

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.health.finding import Finding


def balanced_agreement(confusion_CC: np.ndarray, smallest: float) -> float | None:
    """Return the share of the ensemble's pixels of a class on which the network agrees, averaged over classes.

    Classes with less than ``smallest`` of the ensemble's pixels do not count; None where none is left.
    """
    pixels_C = confusion_CC.sum(axis=1)
    counted = pixels_C > max(0.0, smallest * pixels_C.sum())
    if not counted.any():
        return None
    return float((np.diag(confusion_CC)[counted] / pixels_C[counted]).mean())


def agreement(scores: Mapping[str, float | None], *, drop: float, members: int) -> Finding:
    """Judge the last of a chain's networks by their agreement with the ensemble, which come in the chain's order.

    *Fails* below the first network, *doubtful* more than ``drop`` below the one before; with fewer than ``members``
    networks it does not judge: of two, each is half of the ensemble.
    """
    names, values = list(scores), list(scores.values())
    value, first, before = values[-1], values[0], values[-2]
    details = {"scores": dict(scores), "doubtful_below": None if before is None else before - drop}
    if value is None or first is None or before is None:
        return Finding(None, "the ensemble predicts no class often enough", value, first, details)
    words = f"agrees with the ensemble on {100 * value:.1f} % of each class"
    if len(values) < members:
        too_few = f"{words}; an ensemble of {len(values)} decides nothing ({members} do)"
        return Finding(None, too_few, value, first, details)
    if value < first:
        return Finding("fails", f"{words}, {names[0]} on {100 * first:.1f} %", value, first, details)
    if value < before - drop:
        reason = f"{words}, {names[-2]} on {100 * before:.1f} %: {100 * drop:g} points less"
        return Finding("doubtful", reason, value, first, details)
    return Finding("holds", words, value, first, details)
