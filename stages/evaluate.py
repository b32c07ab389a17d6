"""evaluate: score a start or a round on labelled images of the target."""

from pathlib import Path

from pipeline.common.device import choose_computer
from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.evaluation.run import evaluate_run
from pipeline.params import read_params
from stages.run import named_stage, params_file


@named_stage("run")
def main(name: str) -> None:
    """Reads runs/NAME/model.pt and the evaluation split, writes metrics, tables and a gallery into runs/NAME/."""
    params = read_params(params_file())
    if name not in params.run_kinds():
        raise ReadableError(f"there is no start or round {name!r}; there are {', '.join(params.run_kinds())}")
    metrics = evaluate_run(
        Path("runs") / name,
        data=params.data,
        settings=params.evaluate,
        classes=class_set(params.classes),
        computer=choose_computer(params.runtime.device, params.runtime.precision),
    )
    print(f"{name}: " + ", ".join(f"{key} {value:.4f}" for key, value in metrics.items() if isinstance(value, float)))


if __name__ == "__main__":
    main()
