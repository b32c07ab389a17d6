"""dump: run the round's initial network over the target and cache its probabilities."""

from pathlib import Path

from pipeline.inference import dump_target
from pipeline.params import read_params
from stages.run import named_stage, params_file


@named_stage("round")
def main(name: str) -> None:
    """Read the initial model and the target's images; write runs/NAME/cache/."""
    params = read_params(params_file())
    dump_target(params, name, Path("runs") / params.round(name).init / "model.pt", Path("runs") / name / "cache")


if __name__ == "__main__":
    main()
