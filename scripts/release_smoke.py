"""Use what one extra installs for what it is for: `python -I release_smoke.py EXTRA BUNDLE`.

Runs in an environment that has the wheel and one extra, in an empty folder, away from the checkout.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import cdul_edge
from cdul_edge import Bundle, Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.machine import nvidia_driver_there

COMMAND = Path(sys.executable).with_name("cdul-edge")


def try_none(bundle: Path) -> None:
    """The front door and the command line work; a missing backend is named with its extra."""
    assert "site-packages" in cdul_edge.__file__, cdul_edge.__file__
    assert len(Bundle.load(bundle).manifest.classes) > 1
    command("--help")
    command("doctor")
    command("info", bundle)
    said = "nothing: it ran without a backend"
    try:
        Classifier.load(bundle)
    except CdulEdgeError as error:
        said = str(error)
    assert 'pip install "cdul-edge[cpu]"' in said, said


def try_cpu(bundle: Path) -> None:
    """The bundle gives the scores that PyTorch gave when it was made."""
    compare_with_reference(bundle, device="auto")
    command("verify", bundle, "--json", "verify.json")
    command("predict", bundle, write_picture(), "--out", "predictions.jsonl")


def try_openvino(bundle: Path) -> None:
    """OpenVINO alone gives those scores, without ONNX Runtime."""
    assert find_spec("onnxruntime") is None
    compare_with_reference(bundle, device="openvino")
    command("predict", bundle, write_picture(), *words("openvino", "fp32"), "--out", "p.jsonl")


def try_gpu(bundle: Path) -> None:
    """The CUDA provider is there, and the same package still runs on the CPU.

    On a machine without a GPU, each device that needs one says so in a line, and `auto` goes on.
    """
    import onnxruntime

    assert "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    compare_with_reference(bundle, device="cpu")
    if nvidia_driver_there():
        return
    for device in ("cuda", "ort-tensorrt"):
        for precision in ("fp32", "auto"):
            said = refused("predict", bundle, write_picture(), *words(device, precision))
            assert "no NVIDIA driver here" in said, said
            assert said.count("\n") == 1, said
    command("predict", bundle, write_picture(), "--out", "predictions.jsonl")


def try_rtx(bundle: Path) -> None:
    """Engines are built without a GPU, and without torch, onnx, and ONNX Runtime.

    Where there is no GPU, running one is refused in a line; where there is one, that is `verify`'s.
    """
    assert not [name for name in ("torch", "onnx", "onnxruntime") if find_spec(name)]
    copied = Path(shutil.copytree(bundle, "bundle"))
    command("build", copied, "--precision", "fp32", "--for", "sm86")
    (engine,) = (copied / "engines").glob("*.engine")
    assert engine.name.endswith("-sm86.engine"), engine
    command("doctor")
    command("info", copied)
    if not nvidia_driver_there():
        said = "nothing: it ran without a GPU"
        try:
            Classifier.load(copied, device="tensorrt-rtx")
        except CdulEdgeError as error:
            said = str(error)
        assert "no NVIDIA driver" in said, said


def try_trt(bundle: Path) -> None:
    """TensorRT's binding loads and has every name that the backend calls; never tried so far."""
    tensorrt = import_module("tensorrt")
    for name in ("Builder", "Runtime", "OnnxParser", "NetworkDefinitionCreationFlag"):
        assert hasattr(tensorrt, name), name
    command("doctor")


def try_calibrate(bundle: Path) -> None:
    """FP16 and INT8 files come out of a copy of the bundle, and hold on this CPU."""
    copied = Path(shutil.copytree(bundle, "bundle"))
    command("calibrate", copied, "--images", write_pictures(24), "--force")
    made = {p.value for p in Bundle.load(copied).precisions() if p.has_file}
    assert made == {"fp32", "fp16", "int8", "int8-cpu"}, made
    compare_with_reference(copied, device="cpu")


def try_train(bundle: Path) -> None:
    """Pictures and class names become a bundle, which is left at BUNDLE for the other extras."""
    from cdul_edge.demo.world import paint_world

    world = paint_world(Path("world"), train=128, heldout=20, seed=0)
    command("label", world.train, "--classes", world.classes, "--clip", "demo", "--out", "labels")
    command("train", "labels", "--preset", "demo", "--epochs", 1, "--out", "run")
    command("export", "run", "--out", bundle)
    compare_with_reference(bundle, device="cpu")


def compare_with_reference(bundle: Path, device: str) -> None:
    """Scores of the bundle's own reference inputs are those of PyTorch, to its parity limit."""
    loaded = Bundle.load(bundle)
    reference = loaded.reference()
    with Classifier.load(bundle, device=device, precision="fp32") as classifier:
        scores = np.stack([p.scores for p in classifier.predict_inputs(reference.inputs)])
    error = float(np.abs(scores - reference.scores).max())
    assert error <= loaded.manifest.parity.limit, error


def write_pictures(count: int) -> Path:
    """A folder of small pictures of noise with a colored square."""
    from PIL import Image

    folder = Path("pictures")
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        pixels[20:60, 20:60] = random.integers(0, 256, 3)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def write_picture() -> Path:
    """One of them."""
    return write_pictures(1) / "0.png"


def command(*words: object) -> None:
    """Run one `cdul-edge` command of this environment; its output is shown when it fails."""
    done = subprocess.run([str(COMMAND), *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"cdul-edge {words[0]}: {done.stdout}{done.stderr}")


def words(device: str, precision: str) -> tuple[str, ...]:
    """The options that ask for both."""
    return "--device", device, "--precision", precision


def refused(*words: object) -> str:
    """What one `cdul-edge` command says that is an error of the user's."""
    done = subprocess.run([str(COMMAND), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    return done.stderr


TRIALS: dict[str, Callable[[Path], None]] = {
    "none": try_none,
    "cpu": try_cpu,
    "openvino": try_openvino,
    "gpu": try_gpu,
    "rtx": try_rtx,
    "trt": try_trt,
    "calibrate": try_calibrate,
    "train": try_train,
}

if __name__ == "__main__":
    TRIALS[sys.argv[1]](Path(sys.argv[2]))
