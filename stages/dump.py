"""dump: run the round's initial network over the target and cache its probabilities."""

from pathlib import Path

from pipeline.common.device import choose_computer
from pipeline.common.labels import class_set
from pipeline.inference.dump import dump_target
from pipeline.params import read_params
from stages.run import named_stage, params_file


@named_stage("round")
def main(name: str) -> None:
    """Reads the initial model and the target's images, writes runs/NAME/cache/."""
    params = read_params(params_file())
    dump_target(
        name,
        Path("runs") / params.round(name).init / "model.pt",
        Path("runs") / name / "cache",
        data=params.data,
        settings=params.dump,
        classes=class_set(params.classes),
        computer=choose_computer(params.runtime.device, params.runtime.precision),
        workers=params.runtime.workers,
    )


if __name__ == "__main__":
    main()
