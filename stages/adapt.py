"""adapt: train the round's initial network on its patches and on the labelled source."""

from pathlib import Path

from pipeline.params import read_params
from pipeline.training.adapt import adapt
from stages.run import named_stage, params_file


@named_stage("round")
def main(name: str) -> None:
    """Read the initial model, the patches and the source; write runs/NAME/trained.pt and curves."""
    params = read_params(params_file())
    adapt(params, name, params.round(name), Path("runs") / params.round(name).init, Path("runs") / name)


if __name__ == "__main__":
    main()
