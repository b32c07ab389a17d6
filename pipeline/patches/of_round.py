"""The patches that a round of params.yaml asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.cache.reader import CacheReader
from pipeline.methods.method import ZoomedPatches
from pipeline.methods.registry import method_named
from pipeline.methods.selection_file import Selection
from pipeline.patches.crops import keep_unlabelled, make_crops, rare_classes
from pipeline.patches.file import HARD, PATCHES
from pipeline.patches.make import make_patches
from pipeline.patches.target_statistics import TARGET, write_target_statistics

if TYPE_CHECKING:
    from pipeline.params import Params


def patches_for_round(
    params: Params,
    name: str,
    reader: CacheReader,
    selection: Selection,
    target_image: Callable[[str], np.ndarray],
    folder: Path,
) -> int:
    """Cut the round's patches into ``folder``/patches.h5 and return their number.

    The hard images of a method that splits go whole and unlabelled into hard.h5; target.h5 has the statistics with
    which a teacher begins.
    """
    entry = params.round(name)
    method = method_named(entry.method)
    cut = method.cut(params.section_of(entry))
    if method.teaches:
        write_target_statistics(reader.index, folder / TARGET)
    if selection.hard:
        keep_unlabelled(reader, list(selection.hard), target_image, folder / HARD)
    if isinstance(cut, ZoomedPatches):
        return make_patches(
            reader,
            selection,
            target_image,
            folder / PATCHES,
            patches=cut.patches,
            fraction=cut.fraction,
            seed=params.seed,
            round_name=name,
        )
    return make_crops(
        reader,
        selection,
        target_image,
        folder / PATCHES,
        crops=cut.crops,
        fraction=cut.fraction,
        mined=rare_classes(reader.index, cut.mine_below),
        mine_chance=cut.mine_chance,
        seed=params.seed,
        round_name=name,
    )
