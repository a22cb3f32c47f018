"""`Classifier.predict` on a camera frame, beside scripts of OpenCV and a library."""

from __future__ import annotations

from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.scripts import onnxruntime_script, openvino_script
from benchmarks.peers.subjects import Subject, camera_frame, make_subject, subjects
from benchmarks.peers.turns import Stopwatch, in_ms, take_turns
from cdul_edge_runtime.bundle.manifest import Precision
from cdul_edge_runtime.classifier import Classifier

SCRIPT = "onnxruntime + cv2 script"
CALLS = 15  # in a turn


def measure_overhead(setting: Setting) -> Measured:
    """What a frame costs beyond `InferenceSession.run`, by the same watch on both sides."""
    import onnxruntime

    subject = make_subject("tiny" if setting.quick else "resnet18", setting)
    script = onnxruntime_script(subject.plain, subject.side_px, setting.threads)
    frame, watch = camera_frame(), Stopwatch()
    with (
        Classifier.load(subject.bundle, device="cpu", precision="fp32", threads=setting.threads)
        as classifier,
        watch.around(onnxruntime.InferenceSession, "run"),
    ):
        sides = {
            "ours": watch.beyond(lambda: classifier.predict(frame, color="bgr").labels),
            "script": watch.beyond(lambda: script(frame)),
        }
        found = take_turns(sides, rounds=setting.rounds, calls=calls(setting, 2 * CALLS))
    work = f"overhead beyond `session.run`, 1280x720 to {subject.side_px} px"
    bar = Bar("at most", 1.3, of="ours")
    both = found["ours"], found["script"]
    return Measured((Comparison("frame", work, "cv2 LINEAR script", "ms", *both, bar),))


def measure_predict(setting: Setting) -> Measured:
    """FP32 and `auto`, each beside the FP32 script, which has no other precision."""
    parts = [_predict(subject, setting) for subject in subjects(setting)]
    return Measured(tuple(one for part in parts for one in part))


def _predict(subject: Subject, setting: Setting) -> tuple[Comparison, ...]:
    threads, frame = setting.threads, camera_frame()
    script = onnxruntime_script(subject.plain, subject.side_px, threads)
    with (
        Classifier.load(subject.bundle, device="cpu", precision="fp32", threads=threads) as fp32,
        Classifier.load(subject.bundle, threads=threads) as auto,
    ):
        sides = {
            "fp32": in_ms(lambda: fp32.predict(frame, color="bgr").labels),
            "auto": in_ms(lambda: auto.predict(frame, color="bgr").labels),
            "script": in_ms(lambda: script(frame)),
        }
        found = take_turns(sides, rounds=setting.rounds, calls=calls(setting))
        chosen = auto.selection
    assert chosen is not None, "a bundle always tells what was chosen"
    took = f"{chosen.precision.value} on {chosen.device}"
    name, script_ms = subject.name, found["script"]
    return (
        Comparison(
            f"{name}-fp32", f"predict, {name}, FP32", SCRIPT, "ms", found["fp32"], script_ms,
            Bar("at most", 1.0),
        ),
        Comparison(
            f"{name}-auto", f"predict, {name}, auto", f"{SCRIPT} in FP32", "ms", found["auto"],
            script_ms, Bar("at most", 0.6), took,
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
    threads, frame = setting.threads, camera_frame()
    file = "fp32" if precision == "bf16" else precision
    model = subject.bundle / Precision(file).file_name
    script = openvino_script(model, subject.side_px, threads, hint)
    with Classifier.load(
        subject.bundle, device="openvino", precision=precision, threads=threads
    ) as classifier:
        sides = {
            "ours": in_ms(lambda: classifier.predict(frame, color="bgr").labels),
            "script": in_ms(lambda: script(frame)),
        }
        found = take_turns(sides, rounds=setting.rounds, calls=calls(setting))
    return Comparison(
        f"{subject.name}-{precision}",
        f"predict on OpenVINO, {subject.name}, {precision}",
        "openvino + cv2 script",
        "ms",
        found["ours"],
        found["script"],
        Bar("at most", 1.05),
    )


def calls(setting: Setting, full: int = CALLS) -> int:
    """Calls in a turn."""
    return 2 if setting.quick else full
