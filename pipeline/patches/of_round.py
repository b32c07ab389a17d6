"""The patches that a round of params.yaml asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.cache.reader import CacheReader
from pipeline.patches.crops import make_crops, rare_classes
from pipeline.patches.make import make_patches
from pipeline.selection.result import Selection

if TYPE_CHECKING:
    from pipeline.params import Params


def patches_for_round(
    params: Params,
    name: str,
    reader: CacheReader,
    selection: Selection,
    target_image: Callable[[str], np.ndarray],
    destination: Path,
) -> int:
    """Cuts the round's patches and answers how many there are."""
    entry = params.round(name)
    if entry.method == "lse":
        assert params.lse is not None  # params.py refuses a round without its method's section
        return make_patches(
            reader,
            selection,
            target_image,
            destination,
            patches=params.lse.patches,
            fraction=params.lse.patch_size,
            seed=params.seed,
            round_name=name,
        )
    cuts = params.cbst if entry.method == "cbst" else params.cada
    assert cuts is not None
    mined = [] if params.cbst is None or entry.method != "cbst" else rare_classes(reader.index, params.cbst.mine_below)
    return make_crops(
        reader,
        selection,
        target_image,
        destination,
        crops=cuts.crops,
        fraction=cuts.crop_size,
        mined=mined,
        mine_chance=0.0 if params.cbst is None else params.cbst.mine_chance,
        seed=params.seed,
        round_name=name,
    )
