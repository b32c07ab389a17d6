"""``roundabout list``: a split list by the class-balanced score, as CBST's authors chose their 505 images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.commands.overwriting import Force, keep_what_is_there
from pipeline.commands.run_files import Cache
from pipeline.common.errors import ReadableError


@readable
def split_list(
    cache: Cache,
    out: Annotated[Path, typer.Argument(help="the list, e.g. data/lists/cityscapes-class-balanced-505.txt")],
    images: Annotated[int, typer.Option(min=1, help="how many; CBST and CRST used 505 of Cityscapes' 2975")] = 505,
    force: Force = False,
) -> None:
    """Write the ids of the images with the highest class-balanced score: `listed: FILE` in data.target takes them.

    The cache is that of the network that self-training begins with.
    """
    from pipeline.cache.index import CacheIndex
    from pipeline.datasets.split_lists import write_list
    from pipeline.methods.class_balanced import best_scored, class_balanced_score

    index = CacheIndex(cache)
    score_N = class_balanced_score(index.statistic("pixel_count"), index.statistic("confidence_sum"))
    if images > len(score_N):
        raise ReadableError(f"--images: is {images}, and {cache} has {len(score_N)}")
    keep_what_is_there([out], force)
    chosen = best_scored(score_N, images)
    threshold = float(score_N[chosen].min())
    provenance = (
        f"The {images} of {len(score_N)} images with the highest class-balanced score (mean over"
        f" {index.spec.classes} classes of the mean confidence; at least {threshold:.4f}),\n"
        f"the rule by which CBST's authors chose their 505, computed by `roundabout list` from the cache of model"
        f" {index.spec.called()}."
    )
    write_list(out, provenance, [index.image_ids[position] for position in chosen])
    console.print(f"{out}: {images} of {len(score_N)} images, with a score of at least {threshold:.4f}")
