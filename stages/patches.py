"""patches: cut the round's patches with their pseudo-labels."""

from pathlib import Path

from pipeline.cache.reader import CacheReader
from pipeline.datasets.opening import images_of
from pipeline.methods.selection_file import read_selection
from pipeline.params import read_params
from pipeline.patches.of_round import patches_for_round
from stages.run import named_stage


@named_stage("round")
def main(name: str) -> None:
    """Read cache, selection and target images; write runs/NAME/patches/patches.h5."""
    params = read_params()
    folder = Path("runs") / name
    images = images_of("target", params.data.size)
    count = patches_for_round(
        params,
        name,
        CacheReader(folder / "cache"),
        read_selection(folder / "selection" / "selection.json"),
        lambda image_id: images.image(images.manifest.index_of(image_id)),
        folder / "patches",
    )
    print(f"{name}: {count} patches")


if __name__ == "__main__":
    main()
