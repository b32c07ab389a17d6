"""The patches that a round of params.yaml asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.cache.reader import CacheReader
from pipeline.methods.selection_file import Selection
from pipeline.patches.crops import keep_unlabelled, make_crops, rare_classes
from pipeline.patches.file import HARD, PATCHES
from pipeline.patches.make import make_patches

if TYPE_CHECKING:
    from pipeline.params import Cada, Cbst, Intrada, Params


def patches_for_round(
    params: Params,
    name: str,
    reader: CacheReader,
    selection: Selection,
    target_image: Callable[[str], np.ndarray],
    folder: Path,
) -> int:
    """Cuts the round's patches into ``folder``/patches.h5 and answers how many there are.

    Of a method that splits, the hard images come whole and unlabelled into hard.h5.
    """
    entry = params.round(name)
    if entry.method == "lse":
        assert params.lse is not None  # params.py refuses a round without its method's section
        return make_patches(
            reader,
            selection,
            target_image,
            folder / PATCHES,
            patches=params.lse.patches,
            fraction=params.lse.patch_size,
            seed=params.seed,
            round_name=name,
        )
    cuts: Cbst | Cada | Intrada | None = getattr(params, entry.method)
    assert cuts is not None
    if selection.hard:
        keep_unlabelled(reader, list(selection.hard), target_image, folder / HARD)
    mines = params.cbst if entry.method == "cbst" else None
    return make_crops(
        reader,
        selection,
        target_image,
        folder / PATCHES,
        crops=cuts.crops,
        fraction=cuts.crop_size,
        mined=[] if mines is None else rare_classes(reader.index, mines.mine_below),
        mine_chance=0.0 if mines is None else mines.mine_chance,
        seed=params.seed,
        round_name=name,
    )
