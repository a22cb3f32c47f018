"""`Classifier.predict` on a camera frame, beside scripts of OpenCV and a library."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.scripts import SCRIPT, Frame, onnxruntime_script, openvino_script
from benchmarks.peers.subjects import Subject, camera_frame, make_subject, subjects
from benchmarks.peers.turns import CALLS, Side, Stopwatch, alternate, in_ms
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier


@dataclass(frozen=True)
class Ours:
    """A loaded bundle as these rows call it.

    Attributes:
        chosen: the precision and the device, as tables show them.
    """

    classifier: Classifier
    chosen: str

    def predict(self, frame: Frame) -> object:
        """Names of the labels in a BGR frame."""
        return self.classifier.predict(frame, color="bgr").labels

    def side(self, frame: Frame) -> Side:
        """The whole of an answer, in ms."""
        return in_ms(lambda: self.predict(frame))


@contextmanager
def predicting(
    subject: Subject, setting: Setting, *, device: str = "auto", precision: str = "auto"
) -> Generator[Ours]:
    """Load the subject's bundle, and close it afterwards; see `settle` for "auto"."""
    with Classifier.load(
        subject.bundle, device=device, precision=precision, threads=setting.threads
    ) as classifier:
        chosen = classifier.selection
        assert chosen is not None, "a bundle always tells what was chosen"
        yield Ours(classifier, f"{chosen.precision.shown} on {chosen.device}")


def measure_overhead(setting: Setting) -> Measured:
    """What a frame costs beyond `InferenceSession.run`, by the same watch on both sides."""
    import onnxruntime

    subject = make_subject("tiny" if setting.quick else "resnet18", setting)
    script = onnxruntime_script(subject.plain, subject.side_px, setting.threads)
    frame, watch = camera_frame(), Stopwatch()
    with (
        predicting(subject, setting, device="cpu", precision="fp32") as ours,
        watch.around(onnxruntime.InferenceSession, "run"),
    ):
        sides = {
            "ours": watch.beyond(lambda: ours.predict(frame)),
            "script": watch.beyond(lambda: script(frame)),
        }
        found = alternate(sides, setting, 2 * CALLS)
    work = f"overhead beyond `session.run`, 1280x720 to {subject.side_px} px"
    bar = Bar("at most", 1.3, of="ours")
    both = found["ours"], found["script"]
    return Measured((Comparison("frame", work, "cv2 LINEAR script", "ms", *both, bar),))


def measure_predict(setting: Setting) -> Measured:
    """FP32 and `auto`, each beside the FP32 script, which has no other precision."""
    parts = [_predict(subject, setting) for subject in subjects(setting)]
    return Measured(tuple(one for part in parts for one in part))


def take_turns_with(
    peer: Side, subject: Subject, frame: Frame, setting: Setting
) -> tuple[dict[str, tuple[float, ...]], str]:
    """FP32 on the processor, `auto`, and `peer` in turns.

    Returns:
        Figures by round of "fp32", "auto" and "peer", and what `auto` chose.
    """
    with (
        predicting(subject, setting, device="cpu", precision="fp32") as fp32,
        predicting(subject, setting) as auto,
    ):
        sides = {"fp32": fp32.side(frame), "auto": auto.side(frame), "peer": peer}
        return alternate(sides, setting), auto.chosen


def _predict(subject: Subject, setting: Setting) -> tuple[Comparison, ...]:
    frame = camera_frame()
    script = onnxruntime_script(subject.plain, subject.side_px, setting.threads)
    peer = in_ms(lambda: script(frame))
    found, chosen = take_turns_with(peer, subject, frame, setting)
    name, script_ms = subject.name, found["peer"]
    return (
        Comparison(
            f"{name}-fp32", f"predict, {name}, FP32", SCRIPT, "ms", found["fp32"], script_ms,
            Bar("at most", 1.0),
        ),
        Comparison(
            f"{name}-auto", f"predict, {name}, auto", f"{SCRIPT} in FP32", "ms", found["auto"],
            script_ms, Bar("at most", 0.6), chosen,
        ),
    )  # fmt: skip


def measure_openvino(setting: Setting) -> Measured:
    """OpenVINO through this program and by itself, on the same file in the same precision."""
    parts = [
        _openvino(subject, precision, hint, setting)
        for subject in subjects(setting)
        for precision, hint in (("fp32", "f32"), ("bf16", "bf16"), ("int8-cpu", "f32"))
    ]
    return Measured(tuple(parts))


def _openvino(subject: Subject, precision: str, hint: str, setting: Setting) -> Comparison:
    frame = camera_frame()
    file = "fp32" if precision == "bf16" else precision
    model = subject.bundle / Precision(file).file_name
    script = openvino_script(model, subject.side_px, setting.threads, hint)
    with predicting(subject, setting, device="openvino", precision=precision) as ours:
        sides = {"ours": ours.side(frame), "script": in_ms(lambda: script(frame))}
        found = alternate(sides, setting)
    return Comparison(
        f"{subject.name}-{precision}",
        f"predict on OpenVINO, {subject.name}, {precision}",
        "openvino + cv2 script",
        "ms",
        found["ours"],
        found["script"],
        Bar("at most", 1.05),
    )
