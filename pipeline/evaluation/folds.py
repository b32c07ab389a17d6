"""Scores over the ten folds of the NTHU protocol."""

# F fold

from __future__ import annotations

import numpy as np


def over_folds(score_F: list[float]) -> dict[str, float]:
    """Return mean and sample standard deviation of one score over the folds that have one; empty below two."""
    known = [score for score in score_F if not np.isnan(score)]
    if len(known) < 2:
        return {}
    return {"folds_mean": float(np.mean(known)), "folds_deviation": float(np.std(known, ddof=1))}
