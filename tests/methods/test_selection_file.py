"""selection.json: by its fingerprint, what is made of a selection says of which it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pipeline.methods.selection_file import Selection, read_selection, selection_fingerprint, write_selection


def test_a_selection_has_one_fingerprint_before_and_after_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "prior.h5").write_bytes(b"of the source")
    thresholds_C = np.array([1 / 3, np.nan])
    for selection in (
        Selection("lse", "paper", ["a", "b"], ["x", "y"], thresholds_C),
        Selection("intrada", "author", ["a", "b"], ["x"], np.full(2, np.nan), hard=("y",)),
        Selection("cbst", "paper", ["a", "b"], ["x", "y"], thresholds_C, prior=tmp_path / "prior.h5"),
    ):
        path = tmp_path / selection.method / "selection.json"
        write_selection(path, selection, {"hard": list(selection.hard)})
        read = read_selection(path)
        assert selection_fingerprint(read, cache="c") == selection_fingerprint(selection, cache="c")


def test_another_image_threshold_or_cache_is_another_fingerprint() -> None:
    selection = Selection("cbst", "paper", ["a", "b"], ["x", "y"], np.array([0.5, 0.25]))
    others = (
        selection._replace(images=["y", "x"]),
        selection._replace(threshold_C=np.array([0.5, 0.26])),
        selection._replace(prior=Path("prior.h5")),
    )
    found = {selection_fingerprint(one, cache="c") for one in (selection, *others)}
    assert len(found | {selection_fingerprint(selection, cache="d")}) == 5
    assert {len(one) for one in found} == {12}  # short: `dvc metrics show` has a column of it


def test_a_selection_is_plain_json_beside_a_copy_of_its_prior(tmp_path: Path) -> None:
    (tmp_path / "prior.h5").write_bytes(b"of the source")
    selection = Selection("cbst", "paper", ["a", "b"], ["x"], np.array([0.5, np.nan]), prior=tmp_path / "prior.h5")
    path = tmp_path / "selection" / "selection.json"
    write_selection(path, selection, {"portion": 0.25})
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "method": "cbst", "compat": "paper", "class_names": ["a", "b"], "images": ["x"], "thresholds": [0.5, None],
        "spatial_prior": "prior.h5", "portion": 0.25,
    }  # fmt: skip
    assert (path.parent / "prior.h5").read_bytes() == b"of the source"
    again = read_selection(path)
    assert (again.prior, again.hard) == (path.parent / "prior.h5", ())
    write_selection(path, again, {})  # beside itself
    assert read_selection(path).prior == again.prior
