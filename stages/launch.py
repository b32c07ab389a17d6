"""launch: run a heavy stage where site.yaml says: ``python -m stages.launch pretrain --start NAME``.

No stage depends on this file or on what it imports: where a stage runs does not change what it makes.
"""

import sys

from pipeline.launcher.launch import launch
from pipeline.launcher.site import STAGES, StageName
from pipeline.launcher.slurm import PASSING, PassingError
from stages.run import say_errors


def main() -> None:
    """Hands the arguments to the stage as they are."""
    stage = next((stage for stage in STAGES if sys.argv[1:2] == [stage]), None)
    if stage is None:
        print(f"usage: python -m stages.launch {{{','.join(STAGES)}}} --KIND NAME", file=sys.stderr)
        sys.exit(2)
    say_errors(lambda: _launch(stage, sys.argv[2:]))


def _launch(stage: StageName, arguments: list[str]) -> None:
    """In a night, what may pass is tried again (overnight/repro.py): it is said in other words than errors are."""
    try:
        launch(stage, arguments)
    except PassingError as error:
        print(f"{PASSING}{error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
