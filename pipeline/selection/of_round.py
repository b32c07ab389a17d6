"""The selection that a round of params.yaml asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.selection.result import Selection
from pipeline.selection.select import Details, select_cada, select_cbst, select_intrada, select_lse

if TYPE_CHECKING:
    from pipeline.params import Params, Round


def select_for_round(params: Params, entry: Round, cache: Path) -> tuple[Selection, Details]:
    """Runs the round's method on its cache."""
    if entry.method == "lse":
        assert params.lse is not None  # params.py refuses a round without its method's section
        return select_lse(cache, entry.portion, params.lse.compat)
    if entry.method == "cbst":
        assert params.cbst is not None
        return select_cbst(cache, entry.portion, params.cbst.compat, entry.thresholds == "per-class")
    if entry.method == "intrada":
        assert params.intrada is not None
        return select_intrada(cache, entry.easy, params.intrada.compat, params.intrada.normalise)
    assert params.cada is not None
    return select_cada(cache, params.cada.delta, params.cada.centroid)
