"""Step (f): memory stays flat over 2,000 batches of labeling and training.

Classifiers on ONNX Runtime's CUDA and TensorRT's engines are watched in their own steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.gpu.memory import MemoryLog
from benchmarks.gpu.parts import Part, run_parts
from benchmarks.gpu.step import Context, Outcome, Step, anywhere
from cdul_edge_runtime.host.console import Advance, SilentConsole

_EPOCHS = 10


def run(context: Context) -> Outcome:
    """Each part in turn."""
    parts: dict[str, Part] = {
        "labeling": partial(_watch_encoder, context),
        "training": partial(_watch_training, context),
    }
    if context.device == "cpu":  # a GPU's minutes are not spent on this
        parts["classifier on the CPU"] = partial(_watch_classifier, context)
    return run_parts(context, parts)


def _watch_encoder(context: Context) -> Outcome:
    """CLIP's encoder on batches of views, the last of each round smaller than the others."""
    import numpy as np

    from cdul_edge.clip.models import load_clip
    from cdul_edge.labelling.decode.decoding import Decoded
    from cdul_edge.labelling.encode.encoder import ClipEncoder

    encoder = ClipEncoder(load_clip("demo", None), context.device)
    side = encoder.image_size_px
    rng, log = np.random.default_rng(0), MemoryLog(context)
    pixels = [rng.integers(0, 256, (n, 10, side, side, 3), dtype=np.uint8) for n in (8, 8, 8, 3)]
    batches = (Decoded(0, (), one, 0) for one in islice(cycle(pixels), log.batches))
    for _ in encoder.stream(batches):
        log.batch_done()
    return log.outcome()


class _Counted(SilentConsole):
    """A console that hears of every training batch."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def progress(
        self, doing: str, total: int, *, done: int = 0, unit: str = "pictures"
    ) -> AbstractContextManager[Advance]:
        """Count the batches of epochs."""
        counts = doing.startswith("epoch")
        return nullcontext(lambda units: self._log.batch_done() if counts else None)


def _watch_training(context: Context) -> Outcome:
    """`train` itself, with checkpoints, labels that move, and a running mean of the weights."""
    import numpy as np

    from cdul_edge.labels.pseudo_labels import PseudoLabels
    from cdul_edge.training import TrainRequest, train
    from cdul_edge.training.presets import PLAIN, ConfigChanges, make_config
    from cdul_edge_runtime.bundle.classes import ClassList

    log, batch = MemoryLog(context), 4
    rng, names = np.random.default_rng(0), [f"class {number}" for number in range(5)]
    paths = _write_noise(context.folder / "pictures", batch * log.batches // _EPOCHS)
    PseudoLabels(
        root=context.folder / "pictures",
        paths=paths,
        classes=ClassList(tuple(names)),
        scores=rng.random((len(paths), len(names)), np.float32),
        thresholds=np.full(len(names), 0.5, np.float32),
    ).write(context.folder / "labels.parquet")
    changes: ConfigChanges = {
        **PLAIN, "network": context.size("resnet18", "clip:demo"), "weights": "none",
        "epochs": _EPOCHS, "height_px": 64, "width_px": 64, "batch_size": batch, "ema_decay": 0.9,
        "precision": "auto",
    }  # fmt: skip
    labels, config = context.folder / "labels.parquet", make_config(**changes)
    request = TrainRequest(labels, context.folder / "run", config, device=context.device)
    train(request, _Counted(log))
    return log.outcome()


def _watch_classifier(context: Context) -> Outcome:
    """ONNX Runtime on the CPU, batches of 1 to 16 inputs."""
    import numpy as np

    from benchmarks.networks import warmed, write_bundle
    from cdul_edge.demo.world import paint_world
    from cdul_edge_export.reference import choose_reference
    from cdul_edge_runtime.classifier import Classifier
    from cdul_edge_runtime.pictures.images import find_images

    world = paint_world(context.folder / "world", train=4, heldout=1, seed=0)
    pictures = find_images(world.train)
    side, log = context.size(64, 32), MemoryLog(context)
    subject = warmed(context.size("resnet18", "clip:demo"), pictures, side)
    reference = choose_reference(pictures, subject.preprocess, count=2)
    bundle = write_bundle(subject, reference, context.folder)
    inputs = np.random.default_rng(0).integers(0, 256, (16, side, side, 3), dtype=np.uint8)
    with Classifier.load(bundle, device="cpu", precision="fp32") as classifier:
        for count in _sizes(log.batches):
            classifier.predict_inputs(inputs[:count])
            log.batch_done()
    return log.outcome()


def _sizes(batches: int) -> Iterator[int]:
    return islice(cycle((1, 16, 3, 8)), batches)


def _write_noise(folder: Path, count: int) -> tuple[str, ...]:
    """Small pictures of noise; returns their names."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(1)
    names = tuple(f"{number:04}.png" for number in range(count))
    for name in names:
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / name)
    return names


STEP = Step(
    name="memory",
    title="memory stays flat over 2,000 batches of labeling and training",
    needs=anywhere,
    seconds=40,
    quick_seconds=20,
    run=run,
    modules=("torch", "torchvision", "open_clip", "pyarrow", "onnx", "onnxscript", "onnxruntime"),
)
