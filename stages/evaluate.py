"""evaluate: score an initial model or a round on labelled images of the target."""

from pathlib import Path

from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.evaluation.run import evaluate_run
from pipeline.params import read_params
from pipeline.tracking.follow import log_results
from stages.run import named_stage, params_file


@named_stage("run")
def main(name: str) -> None:
    """Read runs/NAME/model.pt and the evaluation split; write metrics, tables and a gallery into runs/NAME/."""
    params = read_params(params_file())
    if name not in params.run_kinds():
        raise ReadableError(
            f"params.yaml has no initial model or round {name!r}; it has {', '.join(params.run_kinds())}"
        )
    metrics = evaluate_run(
        Path("runs") / name,
        size=params.data.size,
        settings=params.evaluate,
        classes=class_set(params.classes),
        computer=select_device(params.runtime.device, params.runtime.precision),
    )
    log_results(params.runtime.log_to, name, Path("runs") / name)
    print(f"{name}: " + ", ".join(f"{key} {value:.4f}" for key, value in metrics.items() if isinstance(value, float)))


if __name__ == "__main__":
    main()
