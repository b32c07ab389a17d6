"""The selection of a round: what its method sees of params.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.methods import of_round
from pipeline.methods.selection_file import selection_fingerprint, write_selection
from pipeline.params import Params

METHODS = {"lse": {"portion": 0.5}, "cbst": {"portion": 0.5}, "cada": {}, "intrada": {"easy": 0.5}}


@pytest.fixture
def rounds_in_pairs(tiny_params: dict[str, Any]) -> Params:
    """Of each method a round, and the same one that trains otherwise."""
    tiny_params |= {name: {"compat": "paper"} for name in METHODS}
    tiny_params["rounds"] = {
        f"{name}-{which}": {"method": name, "init": "source-only", **more, **adapt}
        for name, more in METHODS.items()
        for which, adapt in (("plain", {}), ("changed", {"adapt": {"steps": 7, "augmentation": {"flip": False}}}))
    }
    return Params.model_validate(tiny_params)


@pytest.fixture
def cache(tmp_path: Path, write_cache: Callable[..., Path]) -> Path:
    logits_NChw = 3 * torch.randn(4, 19, 4, 8, generator=torch.Generator().manual_seed(1))
    return write_cache(tmp_path / "cache", logits_NChw, (32, 64), ["a", "b", "c", "d"])


@pytest.mark.parametrize("method", METHODS)
def test_the_bytes_of_a_selection_do_not_depend_on_how_the_round_trains(
    method: str, rounds_in_pairs: Params, cache: Path, tmp_path: Path
) -> None:
    written, named = [], []
    for which in ("plain", "changed"):
        entry = rounds_in_pairs.round(f"{method}-{which}")
        selection, details = of_round.select_for_round(rounds_in_pairs, entry, cache, Path("no-prior.h5"))
        path = tmp_path / which / "selection.json"
        write_selection(path, selection, details)
        written.append(path.read_bytes())
        named.append(selection_fingerprint(selection))
    assert written[0] == written[1]
    assert named[0] == named[1]


def test_a_method_does_not_see_how_the_round_trains(
    rounds_in_pairs: Params, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows_entry = SimpleNamespace(select=lambda reader, section, entry, prior: entry)
    monkeypatch.setattr(of_round, "method_named", lambda name: shows_entry)
    plain, changed = (rounds_in_pairs.round(f"lse-{which}") for which in ("plain", "changed"))
    assert changed.adapt != plain.adapt
    assert of_round.select_for_round(rounds_in_pairs, changed, cache, Path("no-prior.h5")) == plain
