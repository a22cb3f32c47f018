"""Loading CLIP from each kind of source, and the line that says why it cannot be loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from cdul_edge.clip.files import local_weights_sha256
from cdul_edge.clip.models import LoadedClip, load_clip
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import sha256_file

CONFIG: dict[str, Any] = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 8, "heads": 1, "layers": 1},
}
WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A local model: its own mean and deviation, and weights."""
    preprocess = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    described = {"model_cfg": CONFIG, "preprocess_cfg": preprocess}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(described))
    save_file(state(load_clip(str(tmp_path), "none", seed=7)), tmp_path / WEIGHTS)
    return tmp_path


def state(clip: LoadedClip) -> dict[str, torch.Tensor]:
    return {name: value.contiguous() for name, value in clip.model.state_dict().items()}


def same(a: LoadedClip, b: LoadedClip) -> bool:
    first, second = state(a), state(b)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_folder_is_loaded_with_its_own_weights_mean_and_tokenizer(folder: Path) -> None:
    clip = load_clip(str(folder))
    assert same(clip, load_clip(str(folder), "none", seed=7))
    assert (clip.image_size_px, clip.mean, clip.std) == (32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert clip.tokenize(["a cat"]).shape == (1, 12)
    assert clip.temperature == pytest.approx(0.07, abs=1e-6)  # where open_clip starts
    assert clip.description.weights_sha256 == sha256_file(folder / WEIGHTS)
    assert local_weights_sha256(str(folder), None) == sha256_file(folder / WEIGHTS)
    assert not clip.model.training


def test_a_bare_config_file_takes_a_checkpoint_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "architecture.json"
    config.write_text(json.dumps(CONFIG))
    torch.save({"state_dict": state(load_clip(str(folder)))}, tmp_path / "mine.pt")
    clip = load_clip(str(config), str(tmp_path / "mine.pt"))
    assert same(clip, load_clip(str(folder)))
    assert clip.mean == open_clip.OPENAI_DATASET_MEAN


def test_half_precision_weights_become_single_precision(folder: Path) -> None:
    halves = {k: v.half() for k, v in state(load_clip(str(folder))).items() if v.ndim}
    rest = {k: v for k, v in state(load_clip(str(folder))).items() if not v.ndim}
    save_file({**halves, **rest}, folder / WEIGHTS)
    weights: Any = load_clip(str(folder)).model.visual
    assert weights.conv1.weight.dtype == torch.float32


def test_random_weights_follow_the_seed_and_leave_torchs_own_alone(folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assert same(load_clip(str(folder), "none"), load_clip(str(folder), "none"))
    assert not same(load_clip(str(folder), "none"), load_clip(str(folder), "none", seed=1))
    assert torch.rand(1) == expected


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_openai_archives_are_read_and_get_quick_gelu(folder: Path) -> None:
    vit = {**CONFIG, "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}}
    (folder / "open_clip_config.json").write_text(json.dumps(vit))
    plain = load_clip(str(folder), "none")
    assert "QuickGELU" not in str(plain.model)
    archive = folder / "openai.pt"
    write_archive(plain, archive)
    clip = load_clip(str(folder), str(archive))
    assert same(clip, plain)
    assert clip.description.quick_gelu is True
    assert "QuickGELU" in str(clip.model)


def write_archive(clip: LoadedClip, path: Path) -> None:
    """What OpenAI distributes: a TorchScript module that carries the weights."""

    class Carrier(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    carrier = Carrier()
    for name, value in state(clip).items():
        target: torch.nn.Module = carrier
        *folders, leaf = name.split(".")
        for part in folders:
            if part not in target._modules:
                target.add_module(part, torch.nn.Module())
            target = target._modules[part]  # type: ignore[assignment]
        target.register_buffer(leaf, value)
    scripted: Any = torch.jit.trace(carrier, torch.zeros(1))  # type: ignore[no-untyped-call]
    scripted.save(str(path))


@pytest.mark.parametrize(
    ("name", "pretrained", "fault"),
    [
        ("RN5O", None, r"no CLIP called 'RN5O' \(near: RN50"),
        ("vit-b-32", None, r"near: ViT-B-32"),
        ("RN50", None, r"RN50 needs --pretrained: a tag \(openai"),
        ("RN50", "opnai", r"no weights 'opnai' \(near: openai\)"),
        ("demo", "openai", "has its own weights"),
        ("nowhere/config.json", None, "does not exist"),
    ],
)
def test_what_is_unknown_is_named_with_near_matches(
    name: str, pretrained: str | None, fault: str
) -> None:
    with pytest.raises(CdulEdgeError, match=fault):
        load_clip(name, pretrained)


def test_a_download_that_fails_says_what_was_tried_and_what_else_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(settings: object) -> str:
        raise FileNotFoundError("no route to host")

    monkeypatch.setattr(open_clip, "download_pretrained", fail)
    with pytest.raises(
        CdulEdgeError, match=r"openai of RN50 .* timm/resnet50_clip.openai/ \(no ro"
    ):
        load_clip("RN50", "openai")


def test_weights_that_are_missing_damaged_or_of_another_model_are_refused(folder: Path) -> None:
    (folder / "text.pt").write_text("no weights")
    for wrong in (folder / "text.pt", folder / "open_clip_config.json"):
        with pytest.raises(CdulEdgeError, match="does not fit") as caught:
            load_clip(str(folder), str(wrong))
        assert "\n" not in str(caught.value)
        assert "weights_only" not in str(caught.value)
    other = {k: v for k, v in state(load_clip(str(folder))).items() if k != "visual.conv1.weight"}
    save_file(other, folder / "other.safetensors")
    with pytest.raises(CdulEdgeError, match="does not fit"):
        load_clip(str(folder), str(folder / "other.safetensors"))
    with pytest.raises(CdulEdgeError, match="does not exist"):
        load_clip(str(folder), str(folder / "none.pt"))
    (folder / WEIGHTS).unlink()
    with pytest.raises(CdulEdgeError, match="no weights in"):
        load_clip(str(folder))
    (folder / "open_clip_config.json").write_text("{}")
    with pytest.raises(CdulEdgeError, match="lacks embed_dim, text_cfg, vision_cfg"):
        load_clip(str(folder), "none")


def test_the_bundled_clip_loads() -> None:
    clip = load_clip("demo")
    assert clip.image_size_px == 64
    assert clip.description.weights_sha256 == local_weights_sha256("demo", None)
