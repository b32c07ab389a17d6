"""A manifest's row for each tile of a large picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.common.tiling import Tiling, Window, tile_id, tiles_of
from pipeline.datasets.listing import Entry
from pipeline.datasets.manifest import Row


def tile_rows(row: Row, crop: Window | None, tiling: Tiling | None) -> Iterator[Row]:
    """Yield the rows of a picture's tiles, inside the crop where there is one; without ``tiling`` the picture's own."""
    if tiling is None:
        yield row
        return
    for box, own in tiles_of(crop or (0, 0, row.height, row.width), tiling):
        label_box = None if row.label is None else list(box)
        yield row._replace(id=tile_id(row.id, box), image_box=list(box), label_box=label_box, own=list(own))


def order_of_tiles(identity: str) -> str:
    """Return a key that sorts pictures as the ids of their tiles are sorted."""
    return f"{identity}@"


def by_tiles(files: Iterable[Entry]) -> Iterator[Entry]:
    """Return the entries of large pictures, of which there are few, in the order of their tiles."""
    return iter(sorted(files, key=lambda entry: order_of_tiles(entry.id)))


def tile_problem(tiling: Tiling | None, crop: Window | None, height: int, width: int) -> str | None:
    """Return why a picture of that size cannot be cut into tiles, or None."""
    high, wide = (height, width) if crop is None else crop[2:]
    if tiling is None or (high >= tiling.tile[0] and wide >= tiling.tile[1]):
        return None
    of = "is" if crop is None else "has a crop"
    return (
        f"{of} {high} high and {wide} wide, less than a tile ({tiling.tile[0]} high and {tiling.tile[1]} wide); choose"
        " a smaller `tile`, or leave the picture out"
    )
