"""Which machines trained the runs of a folder: the one that writes the report may be another."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.record import PACKAGES
from cdul_edge.clip.choices import Device
from cdul_edge.training.optimization import choose_device
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.machine import describe_machine, installed_versions

_FILE = "machine.json"


def read_trainers(work: Path) -> list[object]:
    """The machines that trained a folder's runs, the first one first."""
    found = read_json(work / _FILE) if (work / _FILE).is_file() else []
    return found if isinstance(found, list) else [found]


def note_trainer(work: Path, device: Device, jobs: int, threads: int) -> None:
    """Add this machine to them."""
    known, here = read_trainers(work), _describe(device, jobs, threads)
    if here not in known:
        write_json(work / _FILE, [*known, here])


def _describe(device: Device, jobs: int, threads: int) -> dict[str, object]:
    chosen = choose_device(device)
    return {
        "device": torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "CPU",
        "jobs": jobs,
        "threads": threads,
        **describe_machine(),
        "versions": installed_versions(*PACKAGES),
    }
