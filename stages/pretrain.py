"""pretrain: train a network on labelled images, before the first round."""

from pathlib import Path

from pipeline.params import read_params
from pipeline.training.pretrain import pretrain
from stages.run import named_stage, params_file


@named_stage("initial-model")
def main(name: str) -> None:
    """Read the initial model's labelled split; write runs/NAME/model.pt and curves."""
    params = read_params(params_file())
    pretrain(params, name, params.initial_model(name), Path("runs") / name)


if __name__ == "__main__":
    main()
