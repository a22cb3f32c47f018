"""What someone does before `auto` may choose: `bench` and `verify` on this machine."""

from __future__ import annotations

from benchmarks.peers.row import Setting
from benchmarks.peers.subjects import Subject, subjects
from benchmarks.training import write_pictures
from cdul_edge_runtime.bench import BenchRequest, bench
from cdul_edge_runtime.bench.latency import Effort
from cdul_edge_runtime.bundle.bundle import MEASURED
from cdul_edge_runtime.host.console import StderrConsole
from cdul_edge_runtime.verify import VerifyRequest, verify

_PICTURES = 200  # fewer could not tell that no more than 2 % of the decisions flip


def settle_all(setting: Setting) -> None:
    """`settle` for each network."""
    for subject in subjects(setting):
        settle(subject, setting)


def settle(subject: Subject, setting: Setting) -> None:
    """Time and judge every device and precision that is here, unless an earlier row did."""
    if (subject.bundle / MEASURED).exists():
        return
    pictures = setting.work / "pictures"
    if not pictures.is_dir():
        pictures.mkdir()
        write_pictures(pictures, 2 if setting.quick else _PICTURES)
    effort = Effort(2, 1, 1.0) if setting.quick else Effort(20, 3, 1.0)
    bench(
        BenchRequest(
            bundle=subject.bundle,
            device="all",
            precision="all",
            batches=(1,),
            threads=(setting.threads,),
            effort=effort,
        ),
        StderrConsole(),
    )
    verify(
        VerifyRequest(
            bundle=subject.bundle,
            device="all",
            precision="all",
            images=pictures,
            threads=setting.threads,
            batches=(1,),
            repeats=effort.repeats,
        ),
        StderrConsole(),
    )
