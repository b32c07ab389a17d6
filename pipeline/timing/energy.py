"""Energy meters of the machine: processors through RAPL, NVIDIA GPUs through NVML. Often none is readable."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_NVIDIA = Path("/proc/driver/nvidia")


class EnergyMeter:
    """Counts energy since construction, including that of other programs."""

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._packages = sorted(powercap.glob("intel-rapl:[0-9]*"))
        self._packages = [path for path in self._packages if path.name.count(":") == 1]  # without their parts
        self._cpu, self._gpu = self._microjoules(), _gpu_millijoules()

    def joules(self) -> dict[str, float]:
        """Return the joules of ``cpu`` and ``gpu``, those of them with a readable meter."""
        joules = {}
        now = self._microjoules()
        if now and now.keys() == self._cpu.keys():
            joules["cpu"] = sum(self._since(path, now[path] - self._cpu[path]) for path in now) / 1e6
        gpu = _gpu_millijoules()
        if gpu and len(gpu) == len(self._gpu):
            joules["gpu"] = (sum(gpu) - sum(self._gpu)) / 1e3
        return joules

    def _microjoules(self) -> dict[Path, int]:
        counts = {}
        for path in self._packages:
            with suppress(OSError, ValueError):  # most systems let only root read it
                counts[path] = int((path / "energy_uj").read_text())
        return counts

    @staticmethod
    def _since(path: Path, difference: int) -> int:
        """Return the microjoules; a full counter begins at 0 again, after minutes to hours (once, as assumed here)."""
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
    except Exception:  # NVML's errors and that of a missing library have no common base; a missing meter is fine
        return []
