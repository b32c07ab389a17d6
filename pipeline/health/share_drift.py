"""How far the classes' shares of the predicted pixels have drifted from those of the network before all rounds.

A class that has swallowed another, or has vanished, shows here first. The target's true shares differ from the
source's (on CARLA → CamVid by .634 nats), so the reference is what the initial model predicts on the same images of
the target, never the source's labels.
"""

# C class

from __future__ import annotations

import math

import numpy as np

from pipeline.health.finding import Finding

_SMALLEST_REFERENCE = 1e-4
"""A class that the reference never predicts counts as this share of it, so that the divergence stays finite."""


def predicted_shares(pixels_C: np.ndarray) -> np.ndarray:
    """Return the share of each class of the predicted pixels (C,), summing to 1; 0 where there is no pixel."""
    share_C: np.ndarray = pixels_C / max(1, int(pixels_C.sum()))
    return share_C


def divergence(share_C: np.ndarray, reference_C: np.ndarray) -> float:
    """Return Σ p ln(p / p_ref) in nats; a class without pixels adds 0."""
    present = share_C > 0
    ratio = share_C[present] / np.maximum(reference_C[present], _SMALLEST_REFERENCE)
    return float((share_C[present] * np.log(ratio)).sum())


def share_drift(
    share_C: np.ndarray,
    reference_C: np.ndarray,
    names: tuple[str, ...],
    *,
    than: str,
    falls: float,
    grows: float,
    smallest: float,
    most: float,
) -> Finding:
    """Return *fails* where a class has less than ``falls`` or more than ``grows`` times its share of the reference.

    Only classes above ``smallest`` of the reference count, for the rarer ones are noise. It also fails where the
    divergence of all classes is above ``most`` nats. ``than`` is the run that the reference is of.
    """
    drift = divergence(share_C, reference_C)
    ratios = {
        index: float(share_C[index] / reference_C[index]) for index in np.flatnonzero(reference_C > smallest).tolist()
    }
    details = {
        "shares": dict(zip(names, share_C.tolist(), strict=True)),
        "ratios": {names[index]: ratio for index, ratio in ratios.items()},
        "ratio_thresholds": [falls, grows],
    }
    outside = [index for index, ratio in ratios.items() if not falls <= ratio <= grows]
    if outside:
        worst = max(outside, key=lambda index: _excess(ratios[index], falls, grows))
        limit = f"less than {falls:g} times" if ratios[worst] < falls else f"more than {grows:g} times"
        own, before = (_percent(value[worst]) for value in (share_C, reference_C))
        reason = f"{names[worst]} has {own} of the pixels where {than} saw {before}: {limit}"
    elif drift > most:
        reason = f"the classes' shares are {drift:.2f} nats from {than}'s: more than {most:g}"
    else:
        reason = f"each class has {falls:g} to {grows:g} times the share that {than} saw"
        return Finding("holds", reason, drift, most, details)
    return Finding("fails", reason, drift, most, details)


def _excess(ratio: float, falls: float, grows: float) -> float:
    """How many times a ratio is beyond its limit."""
    return ratio / grows if ratio > grows else falls / ratio if ratio > 0 else math.inf


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
