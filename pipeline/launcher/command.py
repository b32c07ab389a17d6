"""The command line of a stage's own process, or of the processes that share its work."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping

from pipeline.common.errors import ReadableError
from pipeline.launcher.site import Resources

# What a stage reads of its environment, beside site.yaml's variables and all that begins with ROUNDABOUT_.
_READ = ("CUDA_VISIBLE_DEVICES", "DVC_STAGE", "PYTHONSAFEPATH", "PYTHONUNBUFFERED")


def stage_command(stage: str, arguments: list[str], resources: Resources) -> list[str]:
    """``python -m stages.STAGE …``; under torchrun where several processes share the work, all on this machine."""
    python = resources.python or ("python" if resources.container else sys.executable)
    if resources.workers == 1:
        return [python, "-m", f"stages.{stage}", *arguments]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={resources.workers}"]
    # behind the dashes nothing is torchrun's: it would take --start for its own --start-method
    return [python, *torchrun, "-m", "--", f"stages.{stage}", *arguments]


def container_of(resources: Resources) -> list[str]:
    """The words of site.yaml's container; none without."""
    return shlex.split(resources.container or "")


def contained(container: list[str], variables: Mapping[str, str], command: list[str]) -> list[str]:
    """The command in a container, which may keep the environment out: its variables go in as words of ``env``."""
    if not container:
        return command
    return [*container, "env", *(f"{name}={value}" for name, value in variables.items()), *command]


def read_by_a_stage(environment: Mapping[str, str], own: Iterable[str]) -> dict[str, str]:
    """Those variables that a stage reads; ``own`` are the names of the site's."""
    named = {*own, *_READ}
    return {name: text for name, text in environment.items() if name in named or name.startswith("ROUNDABOUT_")}


def cannot_start(command: list[str], error: OSError) -> ReadableError:
    """What to say where the program that site.yaml names is not one."""
    return ReadableError(
        f"site.yaml: cannot start {command[0]!r} ({error.strerror}); `python` and `container` must be programs of the "
        "machine that runs the stage"
    )


def shell_lines(resources: Resources) -> list[str]:
    """What a shell does before the command: variables, then the site's own lines. The first that fails ends it."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables(resources).items()]
    return ["set -e", *exports, *resources.setup]


def variables(resources: Resources) -> dict[str, str]:
    """The stage's environment variables, the site's own last.

    torchrun kills its processes 30 s after it was asked to stop, unless told otherwise: here they have their grace.
    """
    patience = {"TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(max(30, resources.grace - 10))} if resources.workers > 1 else {}
    return {**patience, **resources.environment}
