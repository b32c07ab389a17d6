"""A proposal as the text of params.yaml, with comments."""

from __future__ import annotations

import json
from typing import Any

from pipeline.proposal.size import Budget, Size

_TEMPLATE = """\
# Written by `roundabout init`; change what you know better. docs/datasets.md describes `data`, docs/methods.md rounds.
seed: 1
classes: {classes}

runtime:              # how to compute; changing it runs nothing again
  device: auto        # auto, cpu, cuda, cuda:1
  precision: auto     # bfloat16 on a GPU that has it, float32 elsewhere
  workers: 2
  checkpoint_every: 50
  log_every: 10

data:
  size: {size}    # height, width that the network sees: of the target's shape, for {device}
{splits}

model: {model}

pretrain:             # on the labelled source
  steps: {pretrain_steps}
  batch: {batch}
  optimiser: {{name: adamw, learning_rate: 1.0e-3, head_factor: 3, weight_decay: 0.01}}
  schedule: {{name: poly, power: 0.9, warmup: 20}}
  gradient_clip: 5
  augmentation: {{flip: true, scale: [0.75, 2.0], photometric: strong}}

dump: {{part_images: 32, batch: {batch}}}

teacher:
  compat: paper

adapt:                # each round, on source and target together
  steps: {adapt_steps}
  batch: {batch}
  source_batch: {batch}
  optimiser: {{name: adamw, learning_rate: 6.0e-4, head_factor: 3, weight_decay: 0.01}}
  schedule: {{name: poly, power: 0.9, warmup: 20}}
  gradient_clip: 5
  augmentation: {{flip: true, scale: [0.75, 2.0], photometric: strong}}

health: {{images: 200}} # a round's verdict without labels; with guard, a round that fails passes on the model before it

evaluate: {{gallery: 4}}

initial_models:
  source-only: {{supervision: source}}
  control: {{supervision: source, pretrain: {{steps: {control_steps}}}}}   # as many steps as source-only and the rounds

rounds:
  teacher-1: {{method: teacher, init: source-only, portion: 0.60, guard: true}}
  teacher-2: {{method: teacher, init: teacher-1, portion: 0.65, guard: true}}
"""


def params_text(
    classes: str | dict[str, list[str]], size: Size, splits: dict[str, tuple[dict[str, Any], str]], budget: Budget
) -> str:
    """Return the text of params.yaml; ``splits`` has each section with what it is, as a comment."""
    return _TEMPLATE.format(
        classes=_flow(classes),
        size=list(size),
        device=budget.device,
        splits="\n".join(_split(name, *section) for name, section in splits.items()),
        model=budget.model,
        pretrain_steps=budget.pretrain_steps,
        adapt_steps=budget.adapt_steps,
        control_steps=budget.pretrain_steps + 2 * budget.adapt_steps,
        batch=budget.batch,
    )


def _split(name: str, section: dict[str, Any], why: str) -> str:
    lines = [f"  {name}:    # {why}"]
    return "\n".join([*lines, *(f"    {key}: {_flow(value)}" for key, value in section.items())])


def _flow(value: Any) -> str:
    """YAML in one line; texts are in JSON's quotes, which YAML takes, and keys that are numbers stay numbers."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
