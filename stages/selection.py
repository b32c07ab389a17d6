"""selection: choose the round's images and thresholds from the cache's statistics."""

from pathlib import Path

from pipeline.params import read_params
from pipeline.selection.select import select_from_cache
from stages.run import named_stage


@named_stage("round")
def main(name: str) -> None:
    """Reads runs/NAME/cache/, writes runs/NAME/selection/selection.json."""
    params = read_params()
    folder = Path("runs") / name
    entry = params.round(name)
    destination = folder / "selection" / "selection.json"
    selection = select_from_cache(entry.method, folder / "cache", entry.portion, params.lse.compat, destination)
    print(f"{name}: {len(selection.images)} images selected at portion {entry.portion}")


if __name__ == "__main__":
    main()
