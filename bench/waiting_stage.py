"""A stage that waits instead of computing: ``python -m stages.waiting KIND NAME`` writes what KIND would.

Copied into throw-away workspaces (bench/waiting.py). Its outputs depend on the seed and on what it reads, so that DVC
sees what it would see; rounds gain two points up to the second and nothing afterwards.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

FOLDERS = {
    "prepare": [
        f"data/prepared/{split}"
        for split in ("source", "source-held-back", "target", "target-labelled", "evaluation", "spatial-prior")
    ],
    "pretrain": ["curves"],
    "dump": ["cache"],
    "selection": ["selection"],
    "patches": ["patches"],
    "adapt": ["curves"],
    "health": [],
    "evaluate": ["gallery"],
    "report": ["report"],
}


def main(kind: str, name: str) -> None:
    """Waits WAITING_SECONDS and writes."""
    seed = re.search(r"^seed: (\d+)", Path("params.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert seed is not None
    text = f"{kind} {name} {seed[1]}\n"
    if log := os.environ.get("WAITING_LOG"):
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(text)
    if name in os.environ.get("WAITING_FAILS", "").split(","):
        print(f"error: {name} was told to fail", file=sys.stderr)
        sys.exit(1)
    memory = int(os.environ.get("WAITING_NEEDS_PIECES", "1"))
    if kind == "adapt" and int(os.environ.get("ROUNDABOUT_MICRO_BATCHES", "1")) < memory:
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", file=sys.stderr)
        sys.exit(1)
    time.sleep(float(os.environ.get("WAITING_SECONDS", "0")))
    root = Path("runs") / name if kind not in ("prepare", "report") else Path()
    for folder in FOLDERS[kind]:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / "what.txt").write_text(text, encoding="utf-8")
    if kind in ("pretrain", "health"):
        (root / "model.pt").write_text(text, encoding="utf-8")
    if kind == "adapt":
        (root / "trained.pt").write_text(text, encoding="utf-8")
    if kind == "health":
        reference = {
            "run": "source-only",
            "shares": {},
            "source_iou": None,
            "view_consistency": None,
            "uncertainty": {},
        }
        verdict = {
            "format": 1,
            "verdict": "holds",
            "reason": text,
            "result": "trained",
            "criteria": {},
            "uncertainty": {},
        }
        content = json.dumps({**verdict, "reference": reference, "images": 0})
        (root / "health.json").write_text(content, encoding="utf-8")
    if kind == "evaluate":
        number = int(re.search(r"(\d+)$", name)[1]) if re.search(r"(\d+)$", name) else 0  # type: ignore[index]
        value = round(0.4 + 0.02 * min(number, 2) + 0.002 * int(seed[1]), 4)
        (root / "metrics.json").write_text(json.dumps({"mIoU": value, "pixel_accuracy": 0.5}), encoding="utf-8")
        (root / "per_class.json").write_text(json.dumps({"road": {"IoU": value}}), encoding="utf-8")
        for other in ("confusion.csv", "per_image.csv", "predictions.h5"):
            (root / other).write_text("1\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
