"""dump: run the round's initial network over the target and cache its probabilities."""

from pathlib import Path

from pipeline.common.device import select_device
from pipeline.common.labels import class_set
from pipeline.inference.dump import dump_target
from pipeline.params import read_params
from stages.run import named_stage, params_file


@named_stage("round")
def main(name: str) -> None:
    """Read the initial model and the target's images; write runs/NAME/cache/."""
    params = read_params(params_file())
    dump_target(
        name,
        Path("runs") / params.round(name).init / "model.pt",
        Path("runs") / name / "cache",
        size=params.data.size,
        settings=params.dump,
        classes=class_set(params.classes),
        computer=select_device(params.runtime.device, params.runtime.precision),
        workers=params.runtime.workers,
    )


if __name__ == "__main__":
    main()
