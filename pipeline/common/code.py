"""Code on which no result depends.

Stages need not list it in dvc.yaml, and what a stage has left unfinished is continued after an edit of it. A file
belongs here if it checks, reads params, words messages, logs, resumes, publishes, or says where and how to compute, not
what.
"""

from __future__ import annotations

WITHOUT_EFFECT = {
    "pipeline.common.code": "this list",
    "pipeline.common.device": "where and how precisely to compute, as `runtime` says",
    "pipeline.common.errors": "messages",
    "pipeline.common.files": "files are whole or absent; what is in them is the caller's",
    "pipeline.common.hdf5": "refuses files that lead to others; what is read is the caller's",
    "pipeline.common.labels": "prepare writes the chosen class set's names beside the manifests; only colours are read "
    "later, and the stages that draw list it",
    "pipeline.common.own_classes": "the same for class sets of one's own",
    "pipeline.common.section": "types of params, as pipeline.params",
    "pipeline.common.processes": "child processes end with their parent",
    "pipeline.common.system_errors": "messages",
    "pipeline.common.user": "a name for a user without one",
    "pipeline.common.work": "unfinished work is continued, and published when it is whole",
    "pipeline.checkpoints": "tests hold what a known kind becomes; another checkpoint is another value in params.yaml",
    "pipeline.datasets.decoded": "which large pictures stay in memory while their tiles are read",
    "pipeline.datasets.problems": "messages",
    "pipeline.datasets.seen": "stops a stage whose files have changed",
    "pipeline.dvc_view": "looks at what DVC does",
    "pipeline.launcher": "where a stage runs",
    "pipeline.overnight": "when a stage runs",
    "pipeline.params": "DVC compares the values; a changed default is counted in changed_defaults.yaml",
    "pipeline.timing": "how long stages took",
    "pipeline.tracking": "shows elsewhere what the curves' files and runs/ hold",
    "pipeline.training.adapt": "the frame of a training: rounds.py and run.py decide what is trained",
    "pipeline.training.checkpoint": "a resumed training equals an uninterrupted one",
    "pipeline.training.micro_batches": "the environment says how often a batch is split, not params.yaml",
    "pipeline.training.pretrain": "the frame of a training: initial_models.py and run.py decide what is trained",
    "pipeline.training.progress": "draws the curves",
    "pipeline.training.stage": "the folder in which a training is resumed, and how its result gets to runs/NAME",
    "stages.__init__": "a stage stops with its DVC",
    "stages.launch": "where a stage runs",
    "stages.run": "how stages are called, and how they print errors",
}
"""Modules, or packages with all that is in them, and why no result depends on them."""


WRITES_UNFINISHED_WORK = ("pipeline.training.checkpoint", "pipeline.training.progress")
"""After an edit of these, unfinished work is begun anew: its files may have another format."""


def has_effect(module: str) -> bool:
    """Return whether results may depend on a module; a package's own name ends in ``.__init__``."""
    return not any(module == name or module.startswith(f"{name}.") for name in WITHOUT_EFFECT)
