"""launch: run a heavy stage where site.yaml says: ``python -m stages.launch pretrain --initial-model NAME``.

No stage depends on this file or on what it imports: where a stage runs does not change its result.
"""

import sys

from pipeline.dvc_view.stage_facts import launched_programs
from pipeline.launcher.launch import launch
from pipeline.launcher.slurm import PASSING, PassingError
from stages.run import print_errors


def main() -> None:
    """Pass the arguments on to the stage as they are."""
    print_errors(lambda: _launch(sys.argv[1:]))


def _launch(arguments: list[str]) -> None:
    """Launch the stage; mark errors that may pass, which a night retries (overnight/repro.py), by their first word."""
    programs = launched_programs()
    if not arguments or arguments[0] not in programs:
        print(f"usage: python -m stages.launch {{{','.join(programs)}}} --KIND NAME", file=sys.stderr)
        sys.exit(2)
    try:
        launch(arguments[0], arguments[1:])
    except PassingError as error:
        print(f"{PASSING}{error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
