"""Energy meters, where there are any."""

from __future__ import annotations

from pathlib import Path

from pipeline.timing.energy import EnergyMeter


def write_package(folder: Path, microjoules: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text("1000000\n")


def test_joules_of_all_packages_and_not_of_their_parts(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0"):
        write_package(tmp_path / name, 100_000)
    meter = EnergyMeter(tmp_path)
    write_package(tmp_path / "intel-rapl:0", 400_000)
    write_package(tmp_path / "intel-rapl:0:0", 900_000)
    assert meter.joules()["cpu"] == 0.3


def test_a_counter_that_began_again_is_understood(tmp_path: Path) -> None:
    write_package(tmp_path / "intel-rapl:0", 900_000)
    meter = EnergyMeter(tmp_path)
    write_package(tmp_path / "intel-rapl:0", 200_000)
    assert meter.joules()["cpu"] == 0.3


def test_no_meter_is_no_number(tmp_path: Path) -> None:
    assert "cpu" not in EnergyMeter(tmp_path).joules()
    (tmp_path / "intel-rapl:0").mkdir()  # there, but not readable as a number
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("denied")
    assert "cpu" not in EnergyMeter(tmp_path).joules()
