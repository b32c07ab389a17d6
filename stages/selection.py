"""selection: choose the round's images and thresholds from the cache."""

from pathlib import Path

from pipeline.methods.of_round import select_for_round
from pipeline.methods.selection_file import write_selection
from pipeline.params import read_params
from stages.run import named_stage

SPATIAL_PRIOR = Path("data/prepared/spatial-prior/spatial-prior.h5")


@named_stage("round")
def main(name: str) -> None:
    """Read runs/NAME/cache/, and the spatial prior for a round that uses it; write runs/NAME/selection/."""
    params = read_params()
    folder = Path("runs") / name
    selection, details = select_for_round(params, params.round(name), folder / "cache", SPATIAL_PRIOR)
    write_selection(folder / "selection" / "selection.json", selection, details)
    print(f"{name}: {len(selection.images)} images selected")


if __name__ == "__main__":
    main()
