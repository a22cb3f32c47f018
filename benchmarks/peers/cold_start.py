"""From a command to its first answer, and the memory held then; each start is a process."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from statistics import median

from PIL import Image

from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.scripts import SCRIPT
from benchmarks.peers.start import (
    FirstAnswer,
    StartJob,
    find_first_answer,
    save_torchvision_weights,
    save_ultralytics_checkpoint,
)
from benchmarks.peers.subjects import Subject, camera_frame, make_network, make_subject
from cdul_edge_runtime.bundle.manifest import Precision

_STARTS = 3  # in a round; one of what takes seconds
_SLOW = ("torchvision, eager", "Ultralytics predict")
Found = dict[str, list[FirstAnswer]]


def measure_start(setting: Setting) -> Measured:
    """ResNet-18 in FP32 on a picture file of a frame."""
    subject = make_subject("tiny" if setting.quick else "resnet18", setting)
    picture = setting.work / "frame.jpg"
    Image.fromarray(camera_frame()[..., ::-1]).save(picture)
    jobs, notes = _jobs(subject, setting)
    found: Found = {name: [] for name in jobs}
    for turn in range(-1, setting.rounds):
        for name in list(jobs)[:: -1 if turn % 2 else 1]:
            starts = 1 if setting.quick or turn < 0 or name in _SLOW else _STARTS
            answers = [
                find_first_answer(jobs[name], picture, setting.threads) for _ in range(starts)
            ]
            if turn >= 0:  # the first reads from the disk
                found[name].append(_middle(answers))
    return Measured(tuple(_compare(subject, found)), notes)


def _jobs(subject: Subject, setting: Setting) -> tuple[dict[str, StartJob], tuple[str, ...]]:
    """Each tool's start, and what had to be left out."""
    jobs = {
        "ours": StartJob("ours", subject.bundle, ("cpu", "fp32")),
        SCRIPT: StartJob("onnxruntime_cv2", subject.plain),
    }
    left_out: list[str] = []
    if find_spec("openvino"):
        fp32 = subject.bundle / Precision.FP32.file_name
        jobs["ours, openvino"] = StartJob("ours", subject.bundle, ("openvino", "fp32"))
        jobs["openvino + cv2 script"] = StartJob("openvino_cv2", fp32, ("f32",))
    else:
        left_out.append("openvino")
    if setting.quick:
        return jobs, ()
    weights, side_px = setting.work / "weights.pth", str(subject.side_px)
    save_torchvision_weights(make_network(subject.name), weights)
    jobs[_SLOW[0]] = StartJob("torchvision_eager", weights, (subject.name, side_px))
    if find_spec("ultralytics"):
        checkpoint: Path = setting.work / "ultralytics.pt"
        save_ultralytics_checkpoint(subject.name, 20, checkpoint)
        jobs[_SLOW[1]] = StartJob("ultralytics_predict", checkpoint, (side_px,))
    else:
        left_out.append("ultralytics")
    return jobs, tuple(f"without {name}, which is not installed" for name in left_out)


def _middle(answers: list[FirstAnswer]) -> FirstAnswer:
    return FirstAnswer(median(a.seconds for a in answers), median(a.rss_mib for a in answers))


def _compare(subject: Subject, found: Found) -> list[Comparison]:
    """Seconds, then memory, beside each peer; on OpenVINO beside OpenVINO."""
    comparisons = []
    for peer in [name for name in found if not name.startswith("ours")]:
        own = "ours, openvino" if peer.startswith("openvino") else "ours"
        side = "fp32 on openvino" if own != "ours" else "fp32 on cpu"
        bar = Bar("at most", 1.1) if peer == SCRIPT else None
        key = "openvino" if own != "ours" else peer.partition(",")[0].partition(" ")[0].lower()
        ours, theirs = found[own], found[peer]
        comparisons += [
            Comparison(
                f"{key}-seconds", f"cold start to the first answer, {subject.name}", peer, "s",
                tuple(a.seconds for a in ours), tuple(a.seconds for a in theirs), bar, side,
            ),
            Comparison(
                f"{key}-memory", f"resident memory then, {subject.name}", peer, "MiB",
                tuple(a.rss_mib for a in ours), tuple(a.rss_mib for a in theirs), None, side,
            ),
        ]  # fmt: skip
    return comparisons
