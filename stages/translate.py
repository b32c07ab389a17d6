"""translate: draw the source's images in the style of the target, as training data of initial models."""

from pathlib import Path

from pipeline.params import read_params
from pipeline.training.translate import translate
from stages.run import named_stage, params_file


@named_stage("translation")
def main(name: str) -> None:
    """Read the images of source and target; write data/prepared/NAME/ and runs/NAME/."""
    translate(read_params(params_file()), name, Path("runs") / name)


if __name__ == "__main__":
    main()
