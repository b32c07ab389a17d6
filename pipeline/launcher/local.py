"""A stage on this machine: the launcher's process becomes the stage's, so that DVC is its parent.

`stop_with_parent` survives that: the stage is asked to stop when DVC dies, and a killed DVC leaves no second writer.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import NoReturn

from pipeline.launcher.command import (
    cannot_start,
    contained,
    container_of,
    read_by_a_stage,
    shell_lines,
    stage_command,
    variables,
)
from pipeline.launcher.site import Resources


def run_here(stage: str, arguments: list[str], resources: Resources) -> NoReturn:
    """Replace this process by the stage; with lines of setup, by a shell that becomes the stage."""
    command, container, own = stage_command(stage, arguments, resources), container_of(resources), variables(resources)
    environment = {**os.environ, **own}
    needed = read_by_a_stage(environment, own)
    sys.stdout.flush()
    sys.stderr.flush()
    if not resources.setup:
        command = contained(container, needed, command)
        try:
            os.execvpe(command[0], command, environment)
        except OSError as error:
            raise cannot_start(command, error) from None
    # the setup may change the variables, so the shell expands them
    words = [f'{name}="${name}"' for name in needed] if container else []
    line = " ".join([shlex.join(contained(container, {}, [])), *words, shlex.join(command)])
    os.execvp("bash", ["bash", "-c", "\n".join([*shell_lines(resources), f"exec {line}"])])
