"""prepare: check every file of the data sets, and write their manifests."""

import sys

from pipeline.common.labels import class_set
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
    )
    print("prepare: " + ", ".join(f"{count} {name}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
