from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cdul_edge_runtime.host import power
from cdul_edge_runtime.host.power import describe_power, parse_nvpmodel


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_a_jetson_tells_its_mode_governor_and_clocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for core, khz in (("cpu0", "1190400"), ("cpu1", "729600")):
        write(tmp_path / "cpu" / core / "cpufreq" / "scaling_governor", "schedutil")
        write(tmp_path / "cpu" / core / "cpufreq" / "scaling_cur_freq", khz)
        write(tmp_path / "cpu" / core / "cpufreq" / "scaling_max_freq", "1510400")
    write(tmp_path / "devfreq" / "17000000.ga10b" / "cur_freq", "306000000")
    write(tmp_path / "devfreq" / "17000000.ga10b" / "max_freq", "624750000")
    write(tmp_path / "devfreq" / "15340000.vic" / "cur_freq", "1")
    tool = tmp_path / "bin" / "nvpmodel"
    write(tool, "#!/bin/sh\necho 'NV Power Mode: 15W'\necho 0")
    tool.chmod(0o755)
    monkeypatch.setattr(power, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(power, "_DEVFREQ", tmp_path / "devfreq")
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}/bin")
    assert describe_power() == {
        "cpu_governor": "schedutil",
        "cpu_mhz": 729,  # the slowest core
        "cpu_max_mhz": 1510,
        "gpu_clocks": {"17000000.ga10b": {"mhz": 306, "max_mhz": 624}},
        "jetson_mode": "15W",
    }


def test_a_gpu_box_tells_what_nvidia_smi_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "nvidia-smi"
    write(tool, "#!/bin/sh\necho '1980 MHz, 2619 MHz, 1980 MHz, P0, 118.04 W, 700.00 W'")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    (line,) = describe_power()["nvidia_smi"]
    assert line.startswith("clocks.sm 1980 MHz; clocks.mem 2619 MHz")
    assert line.endswith("power.limit 700.00 W")


def test_a_machine_that_tells_nothing_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "_CPUS", tmp_path)
    monkeypatch.setattr(power, "_DEVFREQ", tmp_path)
    monkeypatch.setenv("PATH", "")
    assert describe_power() == {}


def test_here_it_is_plain_json() -> None:
    json.dumps(describe_power(), allow_nan=False)
    assert parse_nvpmodel("NV Power Mode: MAXN\n0\n") == "MAXN"
    assert parse_nvpmodel("not a Jetson") is None
