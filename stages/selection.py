"""selection: choose the round's images and thresholds from the cache's statistics."""

from pathlib import Path

from pipeline.cache.index import CacheIndex
from pipeline.params import read_params
from pipeline.selection.select import select_lse
from stages.run import named_stage


@named_stage("round")
def main(name: str) -> None:
    """Reads runs/NAME/cache/, writes runs/NAME/selection/selection.json."""
    params = read_params()
    folder = Path("runs") / name
    index = CacheIndex(folder / "cache")
    portion = params.round(name).portion
    selection = select_lse(index, portion, params.lse.compat, folder / "selection" / "selection.json")
    print(f"{name}: {len(selection.images)} of {len(index)} images selected at portion {portion}")


if __name__ == "__main__":
    main()
