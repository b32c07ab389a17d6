"""The smallest pipelines with real stages: one of each method, with the initial model that it begins with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bench.pipeline import tiny_params


def lse() -> dict[str, Any]:
    """One round of LSE from one initial model: ten stages."""
    params = tiny_params()
    for split, images in (("source", 4), ("target", 6), ("evaluation", 2)):
        params["data"][split] |= {"images": images, "draw_size": [32, 64]}
    params["data"]["size"] = [32, 64]
    params["runtime"] = {"device": "cpu", "precision": "float32", "workers": 1, "checkpoint_every": 2, "log_every": 1}
    params["pretrain"] |= {"steps": 6}
    params["dump"] |= {"part_images": 2, "batch": 2}
    params["adapt"] |= {"steps": 6, "batch": 2, "source_batch": 2}
    params["health"] = {"images": 4}
    params["initial_models"] = {"source-only": params["initial_models"]["source-only"]}
    params["rounds"] = {"lse-1": {"method": "lse", "init": "source-only", "portion": 0.5}}
    return params


def other(entry: dict[str, Any], section: dict[str, Any], model: dict[str, Any], **also: Any) -> dict[str, Any]:
    """One round of another method, from an initial model of another kind."""
    params = lse()
    del params["lse"]
    params["initial_models"] = {"source-only": {"supervision": "source", **model}}
    params["rounds"] = {f"{entry['method']}-1": {"init": "source-only", **entry}}
    params["data"] |= also.pop("data", {})
    return params | {entry["method"]: section} | also


CBST = {"compat": "paper", "crops": 2, "crop_size": [0.5, 0.5], "mine_below": 0.05}
CYCLEGAN = {"method": "cyclegan", "steps": 2, "crop": [32, 32], "width": 4, "blocks": 1}
PIPELINES: dict[str, Callable[[], dict[str, Any]]] = {
    "lse": lse,
    "cbst": partial(
        other, {"method": "cbst", "portion": 0.2, "source_portion": 0.5, "spatial_prior": True}, CBST, {},
        data={"spatial_prior": True},
    ),
    "st": partial(other, {"method": "cbst", "portion": 0.2, "thresholds": "global"}, CBST, {}),
    "cada": partial(other, {"method": "cada"}, {"compat": "paper", "delta": 0.0}, {"alignment": "style"}),
    "intrada": partial(
        other, {"method": "intrada", "easy": 0.6}, {"compat": "paper", "normalise": True}, {"alignment": "advent"}
    ),
    "teacher": partial(other, {"method": "teacher", "portion": 0.6}, {"compat": "paper"}, {}),
    "translated": partial(
        other, {"method": "cbst", "portion": 0.2}, CBST, {"supervision": "translated"},
        translations={"translated": CYCLEGAN},
    ),
}  # fmt: skip
