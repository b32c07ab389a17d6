"""Generated splits as files: PNGs that every later stage reads like anyone's own data."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from tqdm import tqdm

from pipeline.common.processes import interrupts_later, stop_with_parent
from pipeline.datasets.parallel import in_order

if TYPE_CHECKING:
    from pipeline.params import CracksSplit, StreetsSplit

WORKERS = 2


def write_all(
    indices: range,
    folder: Path,
    write_one: Callable[[int], None],
    progress: bool,
    pool_of: Callable[..., ProcessPoolExecutor] = ProcessPoolExecutor,
) -> None:
    """Call ``write_one`` for each index in two processes; pictures that an earlier run left in the folder are removed.

    ``write_one`` writes ``folder/images/NAME`` and ``folder/labels/NAME``, where NAME is ``file_name`` of the index.
    """
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        _remove_others(folder / kind, indices)
    with pool_of(WORKERS, initializer=stop_with_parent) as pool:
        with interrupts_later():
            pool.submit(int)  # the first task starts the processes
        drawn = in_order(pool, write_one, indices, 8 * WORKERS)
        for _ in tqdm(drawn, total=len(indices), desc=folder.name, unit=" images", disable=not progress):
            pass


def indices_of(split: StreetsSplit | CracksSplit) -> range:
    """Return the indices of a split's pictures."""
    return range(split.first, split.first + split.images)


def ids_of(split: StreetsSplit | CracksSplit) -> list[str]:
    """Return the ids of a split's pictures, before or after they are drawn."""
    return [Path(file_name(index)).stem for index in indices_of(split)]


def save_whole(picture: Image.Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    picture.save(temporary, format="PNG")
    temporary.replace(path)


def file_name(index: int) -> str:
    """Return the name of a picture: its index in six digits."""
    return f"{index:06}.png"


def _remove_others(folder: Path, indices: range) -> None:
    for path in folder.glob("*.png"):
        if path.stem.isdigit() and int(path.stem) not in indices:
            path.unlink()
