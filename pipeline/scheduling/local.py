"""A stage on this machine: the launcher's process becomes the stage's, so that there is nobody between it and DVC.

It keeps its wish to be asked to stop when DVC dies (`stop_with_parent`): a killed DVC leaves no second writer.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import NoReturn

from pipeline.scheduling.command import cannot_start, shell_lines, stage_command, variables
from pipeline.scheduling.site import Resources, StageName


def run_here(stage: StageName, arguments: list[str], resources: Resources) -> NoReturn:
    """Replaces this process by the stage; with lines of setup, by a shell that becomes the stage."""
    command = stage_command(stage, arguments, resources)
    sys.stdout.flush()
    sys.stderr.flush()
    if not resources.setup:
        try:
            os.execvpe(command[0], command, {**os.environ, **variables(resources)})
        except OSError as error:
            raise cannot_start(command, error) from None
    script = "\n".join([*shell_lines(resources), f"exec {shlex.join(command)}"])
    os.execvp("bash", ["bash", "-c", script])
