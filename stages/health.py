"""health: judge the round's trained network without labels of the target, and write the round's result."""

from pathlib import Path

from pipeline.common.device import select_device
from pipeline.common.labels import class_set
from pipeline.health.run import Examination, health_of_round
from pipeline.params import read_params
from stages.run import named_stage, params_file


@named_stage("round")
def main(name: str) -> None:
    """Read trained.pt, the chain's caches, the target and the held-back source; write health.json and model.pt."""
    params = read_params(params_file())
    entry = params.round(name)
    this = Examination(
        Path("runs"),
        params.chain_of(name),
        size=params.data.size,
        settings=params.health,
        classes=class_set(params.classes),
        computer=select_device(params.runtime.device, params.runtime.precision),
    )
    record = health_of_round(this, guard=entry.guard)
    result = f"; its result is that of {entry.init} (guard)" if record.result == "init" else ""
    print(f"{name}: {record.verdict}: {record.reason}{result}")


if __name__ == "__main__":
    main()
