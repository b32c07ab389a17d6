"""prepare: check every file of the data sets, and write their manifests."""

import sys

from pipeline.common.labels import class_set
from pipeline.datasets.hold_back import in_words
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.opening import HELD_BACK
from pipeline.datasets.prepare import prepare
from pipeline.params import read_params
from stages.run import stage


@stage
def main() -> None:
    """Read params.yaml and the data sets; write data/prepared/."""
    params = read_params()
    counts = prepare(
        params.data,
        params.seed,
        class_set(params.classes),
        workers=params.runtime.workers,
        progress=sys.stderr.isatty(),
        say=lambda notice: print(f"prepare: {notice}"),
    )
    print("prepare: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    if HELD_BACK in counts:
        ids = list(Manifest(manifest_path(HELD_BACK)).ids())
        print(f"prepare: {in_words(ids, counts['source'] + len(ids))}")


if __name__ == "__main__":
    main()
