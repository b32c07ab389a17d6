"""The command line of a stage's process, or of the processes that share its work."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping

from pipeline.common.errors import ReadableError
from pipeline.launcher.site import Resources

# Variables that a stage reads, besides those of site.yaml and all that begin with ROUNDABOUT_.
_READ = ("CUDA_VISIBLE_DEVICES", "DVC_STAGE", "PYTHONSAFEPATH", "PYTHONUNBUFFERED")


def stage_command(stage: str, arguments: list[str], resources: Resources) -> list[str]:
    """Return ``python -m stages.STAGE …``, under torchrun where several processes of this machine share the work."""
    python = resources.python or ("python" if resources.container else sys.executable)
    if resources.workers == 1:
        return [python, "-m", f"stages.{stage}", *arguments]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={resources.workers}"]
    # after the dashes torchrun parses nothing: it would take --initial-model for its own --start-method
    return [python, *torchrun, "-m", "--", f"stages.{stage}", *arguments]


def container_of(resources: Resources) -> list[str]:
    """Return the words of site.yaml's container command; empty without one."""
    return shlex.split(resources.container or "")


def contained(container: list[str], variables: Mapping[str, str], command: list[str]) -> list[str]:
    """Return the command run in a container; ``env`` sets the variables, for a container may drop its environment."""
    if not container:
        return command
    return [*container, "env", *(f"{name}={value}" for name, value in variables.items()), *command]


def read_by_a_stage(environment: Mapping[str, str], own: Iterable[str]) -> dict[str, str]:
    """Return the variables that a stage reads; ``own`` are the names of those that site.yaml sets."""
    names = {*own, *_READ}
    return {name: text for name, text in environment.items() if name in names or name.startswith("ROUNDABOUT_")}


def cannot_start(command: list[str], error: OSError) -> ReadableError:
    """Return the error for a program of site.yaml that does not start."""
    return ReadableError(
        f"site.yaml: cannot start {command[0]!r} ({error.strerror}); `python` and `container` must be programs on "
        "the machine that runs the stage"
    )


def shell_lines(resources: Resources) -> list[str]:
    """Return what a shell does before the command: variables, then the site's own lines; the first failure ends it."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(resources).items()]
    return ["set -e", *exports, *resources.setup]


def variables(resources: Resources) -> dict[str, str]:
    """Return the stage's environment variables, the site's own last.

    torchrun kills its processes 30 s after SIGTERM by default; here they have ``grace`` to save.
    """
    patience = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(max(30, resources.grace - 10))} if resources.workers > 1 else {}
    return {**patience, **resources.environment}
