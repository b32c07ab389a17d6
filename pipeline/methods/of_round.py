"""The selection that a round of params.yaml asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.methods.select import Details, select_cada, select_cbst, select_intrada, select_lse
from pipeline.methods.selection_file import Selection

if TYPE_CHECKING:
    from pipeline.params import Params, Round


def select_for_round(params: Params, entry: Round, cache: Path, prior: Path) -> tuple[Selection, Details]:
    """Runs the round's method on its cache; ``prior`` is the source's spatial prior, for a round that uses it."""
    if entry.method == "lse":
        assert params.lse is not None  # params.py refuses a round without its method's section
        return select_lse(cache, entry.portion, params.lse.compat)
    if entry.method == "cbst":
        assert params.cbst is not None
        per_class = entry.thresholds == "per-class"
        return select_cbst(cache, entry.portion, params.cbst.compat, per_class, prior if entry.spatial_prior else None)
    if entry.method == "intrada":
        assert params.intrada is not None
        return select_intrada(cache, entry.easy, params.intrada.compat, params.intrada.normalise)
    assert params.cada is not None
    return select_cada(cache, params.cada.delta, params.cada.centroid)
