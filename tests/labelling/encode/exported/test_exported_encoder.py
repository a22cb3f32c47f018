"""An exported tower says what torch says, in OpenVINO and in ONNX Runtime."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cdul_edge.clip.choices import Device, Encoder, Precision
from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge.demo.pictures import paint_scene
from cdul_edge.labelling.arrays import Floats
from cdul_edge.labelling.decode.decoding import Decoded
from cdul_edge.labelling.encode import choose_library as choose_library_module
from cdul_edge.labelling.encode.choose_library import choose_library
from cdul_edge.labelling.encode.encoder import ClipEncoder
from cdul_edge.labelling.encode.exported import sessions
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import Wish, open_encoder
from cdul_edge.labelling.encode.patch_encoder import PatchEncoder
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.store.pictures import StoredPicture
from cdul_edge_runtime.backends.openvino import library
from cdul_edge_runtime.backends.openvino.units import cpu_computes_bf16
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError, MissingExtraError
from cdul_edge_runtime.host.console import SilentConsole

MakeClip = Callable[[], LoadedClip]
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32, 3), dtype=np.uint8)
PROMPTS = Prompts(ClassList(("cat", "dog")), (("cat",), ("dog",)))


def exported(loaded: LoadedClip, encoder: Encoder, **wish: Any) -> ImageEncoder:
    asked = Wish(encoder=encoder, threads=2, **wish)
    return open_encoder(loaded, asked, SilentConsole())


@pytest.mark.parametrize("library", ["openvino", "onnx"])
def test_a_resnet_is_torchs_to_rounding(clip: MakeClip, library: Encoder) -> None:
    torchs, found = ClipEncoder(clip(), "cpu"), exported(clip(), library)
    assert (found.library, found.precision, found.device) == (library, "fp32", "cpu")
    views = found.embed_views(PIXELS)
    assert views.shape == (5, 3, 16)
    assert views.dtype == np.float32
    assert views == pytest.approx(torchs.embed_views(PIXELS), abs=1e-5)
    assert np.linalg.norm(views, axis=-1) == pytest.approx(1, abs=1e-6)
    assert found.embed_texts(PROMPTS) == pytest.approx(torchs.embed_texts(PROMPTS), abs=1e-6)
    assert found.preprocess("squash") == torchs.preprocess("squash")
    assert found.embed_views(PIXELS[:0]).shape[:2] == (0, 3)  # no picture was readable


@pytest.mark.parametrize("library", ["openvino", "onnx"])
def test_a_vits_patches_are_torchs(tiny_vit: Path, library: Encoder) -> None:
    torchs = PatchEncoder(load_clip(str(tiny_vit), "none"), "cpu")
    found = exported(load_clip(str(tiny_vit), "none"), library, kind="patches")
    assert found.vectors_per_view == torchs.vectors_per_view == 17
    views = found.embed_views(PIXELS[:, :1])
    assert views.shape == (5, 17, 16)
    assert views.dtype == np.float16
    assert views == pytest.approx(torchs.embed_views(PIXELS[:, :1]), abs=2e-3)  # float16


@pytest.mark.parametrize("library", ["openvino", "onnx"])
def test_a_stream_gives_each_batch_its_own_vectors_in_order(
    clip: MakeClip, library: Encoder
) -> None:
    encoder = exported(clip(), library)
    assert encoder.held_batches == 3  # two streams, and the one given out
    assert encoder.piece_pictures(7) == 7
    batches = [Decoded(0, (StoredPicture(str(i)),), PIXELS[i : i + 1], slot=i) for i in range(5)]
    streamed = [(batch.slot, vectors) for batch, vectors in encoder.stream(iter(batches))]
    assert [slot for slot, _ in streamed] == [0, 1, 2, 3, 4]
    for slot, vectors in streamed:
        assert vectors == pytest.approx(encoder.embed_views(PIXELS[slot : slot + 1]), abs=1e-6)


def test_bfloat16_keeps_the_nearest_class_of_the_drawn_world() -> None:
    """With trained weights, over 40 views; and where the CPU has no bfloat16, one line says so."""
    if not cpu_computes_bf16():
        with pytest.raises(CdulEdgeError, match="computes no bfloat16"):
            exported(load_clip("demo"), "openvino", precision="bf16")
        return
    side = load_clip("demo").image_size_px
    scenes = np.stack([paint_scene(seed, side).image for seed in range(40)])[:, None]
    names = ("star", "moon", "heart", "cross")
    prompts = Prompts(ClassList(names), tuple((name,) for name in names))
    exact = ClipEncoder(load_clip("demo"), "cpu")
    rough = exported(load_clip("demo"), "openvino", precision="bf16")
    assert rough.precision == "bf16"
    views, expected = rough.embed_views(scenes)[:, 0], exact.embed_views(scenes)[:, 0]
    assert (views * expected).sum(axis=-1).min() > 0.999
    assert np.linalg.norm(views, axis=-1) == pytest.approx(1, abs=1e-6)
    texts = rough.embed_texts(prompts).T
    cosines = np.sort(expected @ texts, axis=-1)
    sure = cosines[:, -1] - cosines[:, -2] > 5e-3  # rounding decides between equals
    assert sure.sum() > 20
    assert ((views @ texts).argmax(-1) == (expected @ texts).argmax(-1))[sure].all()


@pytest.mark.parametrize(
    ("encoder", "device", "precision", "message"),
    [
        ("openvino", "cuda", "auto", "--encoder openvino runs on the CPU: use --device cpu"),
        ("onnx", "cuda", "auto", "--encoder onnx runs on the CPU: use --device cpu"),
        ("openvino", "cpu", "fp16", "not compute in fp16: use --precision fp32 or bf16"),
        ("onnx", "cpu", "bf16", "not compute in bf16: use --precision fp32, or --encoder openvino"),
    ],
)
def test_what_a_library_cannot_do_is_refused(
    clip: MakeClip, encoder: Encoder, device: Device, precision: Precision, message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message):
        exported(clip(), encoder, device=device, precision=precision)


@pytest.mark.parametrize(
    ("encoder", "module", "extra"),
    [("openvino", "openvino", "openvino"), ("onnx", "onnxruntime", "cpu")],
)
def test_a_library_that_is_not_there_is_named_with_its_extra(
    clip: MakeClip, monkeypatch: pytest.MonkeyPatch, encoder: Encoder, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "cdul-edge\[{extra}\]"'):
        exported(clip(), encoder)


class Recorder(SilentConsole):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, line: str) -> None:
        self.said.append(line)


def test_auto_tries_openvino_where_torch_would_take_minutes(clip: MakeClip) -> None:
    console = Recorder()
    wish = Wish(device="cpu", threads=2, views=10**9)
    encoder = choose_library(clip(), wish, PROMPTS, console)
    torchs = ClipEncoder(clip(), "cpu")
    assert encoder.embed_texts(PROMPTS) == pytest.approx(torchs.embed_texts(PROMPTS), abs=1e-6)
    assert encoder.embed_views(PIXELS) == pytest.approx(torchs.embed_views(PIXELS), abs=1e-5)
    line = console.said[-1]
    assert line.startswith("tried on ")
    assert "torch " in line
    assert "openvino " in line
    assert line.endswith(f": {encoder.library} is used")


class Paced:
    """An encoder of two streams, which together take half a second for a view."""

    held_batches, image_size_px = 3, 32

    def __init__(self) -> None:
        self.now = 0.0

    def stream(self, batches: Iterable[Decoded]) -> Iterator[tuple[Decoded, Floats]]:
        for batch in batches:
            self.now += 0.5 * batch.pixels.shape[0]
            yield batch, np.ones((1, 1, 1), np.float32)


def test_openvino_is_worth_a_trial_by_the_time_of_the_encoder_that_would_run(
    clip: MakeClip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing was exported: 120 seconds
    encoder: Any = Paced()
    monkeypatch.setattr(choose_library_module, "perf_counter", lambda: encoder.now)
    assert not choose_library_module.worth_a_trial(clip(), Wish(views=240), encoder)
    assert choose_library_module.worth_a_trial(clip(), Wish(views=241), encoder)


@pytest.mark.parametrize("precision", [None, "fp32", "bf16"])
def test_auto_goes_on_with_torch_where_openvino_is_damaged(
    clip: MakeClip, monkeypatch: pytest.MonkeyPatch, precision: Precision | None
) -> None:
    def refuse() -> None:
        raise CdulEdgeError("openvino is damaged")

    for module in (sessions, library):
        monkeypatch.setattr(module, "import_openvino", refuse)
    monkeypatch.setattr(choose_library_module, "worth_a_trial", lambda *_: True)
    console, wish = Recorder(), Wish(device="cpu", threads=2, views=10**9, precision=precision)
    assert choose_library(clip(), wish, PROMPTS, console).library == "torch"
    said = "torch runs CLIP's image tower, as OpenVINO does not: openvino is damaged"
    assert (said in console.said) == (precision != "bf16")  # of which it says nothing of itself


@pytest.mark.parametrize(
    "wish",
    [
        Wish(device="cpu", views=499),
        Wish(device="cpu", views=10**9, kept="torch"),
        Wish(device="cpu", views=10**9, encoder="torch"),
    ],
)
def test_few_views_and_what_was_begun_with_torch_stay_there_without_a_word(
    clip: MakeClip, wish: Wish
) -> None:
    console = Recorder()
    encoder = choose_library(clip(), wish, PROMPTS, console)
    assert (encoder.library, console.said) == ("torch", [])


def test_auto_without_openvino_is_torch_without_a_word(
    clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    console = Recorder()
    encoder = choose_library(clip(), Wish(device="cpu", views=10**9), PROMPTS, console)
    assert (encoder.library, console.said) == ("torch", [])


class Branching(nn.Module):
    """Looks at values to know what to do, which no graph can."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        flat = images.mean(dim=(2, 3))
        return flat if float(flat.sum()) > 0 else -flat


class Untraceable(nn.Module):
    """Fails in the tracer, with an error that is not torch's."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if torch.compiler.is_compiling():
            raise KeyError("a name that only the tracer looks up")
        return images.mean(dim=(2, 3))


@pytest.mark.parametrize("tower", [Branching, Untraceable])
def test_a_tower_that_torch_cannot_export_leads_back_to_torch(
    clip: MakeClip, tower: type[nn.Module]
) -> None:
    loaded = clip()
    loaded.model.visual = tower()
    with pytest.raises(CdulEdgeError, match=r"cannot be exported to ONNX .*: use --encoder torch"):
        exported(loaded, "openvino")


def test_broken_weights_are_an_error_and_not_scores(clip: MakeClip) -> None:
    loaded = clip()
    visual: Any = loaded.model.visual
    visual.conv1.weight.fill_(float("nan"))
    with pytest.raises(CdulEdgeError, match="NaN or infinity"):
        exported(loaded, "openvino")
