"""What the machine's own meters count: processors through RAPL, NVIDIA GPUs through NVML. Often none may be read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_NVIDIA = Path("/proc/driver/nvidia")


class EnergyMeter:
    """Joules since it was made, by meter: other programs' share is in them, too. Empty where no meter may be read."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._packages = sorted(powercap.glob("intel-rapl:[0-9]*"))
        self._packages = [path for path in self._packages if path.name.count(":") == 1]  # not their parts
        self._cpu, self._gpu = self._microjoules(), _gpu_millijoules()

    def joules(self) -> dict[str, float]:
        """``cpu`` and ``gpu``, those of them that have a meter."""
        found = {}
        now = self._microjoules()
        if now and now.keys() == self._cpu.keys():
            found["cpu"] = sum(self._since(path, now[path] - self._cpu[path]) for path in now) / 1e6
        gpu = _gpu_millijoules()
        if gpu and len(gpu) == len(self._gpu):
            found["gpu"] = (sum(gpu) - sum(self._gpu)) / 1e3
        return found

    def _microjoules(self) -> dict[Path, int]:
        counts = {}
        for path in self._packages:
            with suppress(OSError, ValueError):  # most systems let only root read it
                counts[path] = int((path / "energy_uj").read_text())
        return counts

    @staticmethod
    def _since(path: Path, difference: int) -> int:
        """The counter begins at 0 again when it is full; one turn takes minutes to hours, more are not noticed."""
        return difference if difference >= 0 else difference + int((path / "max_energy_range_uj").read_text())


def _gpu_millijoules() -> list[int]:
    if not _NVIDIA.exists():
        return []
    try:
        import pynvml  # here: few machines need it

        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        return [
            int(pynvml.nvmlDeviceGetTotalEnergyConsumption(pynvml.nvmlDeviceGetHandleByIndex(i))) for i in range(count)
        ]
    except Exception:  # NVML's errors have no common base with a missing library's; no meter is no error
        return []
