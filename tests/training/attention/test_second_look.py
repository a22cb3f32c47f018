"""The pass in which CLIP looks again, with a CLIP that only knows colors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import nn

from cdul_edge.training.attention.cam import ActivationMaps, find_activation_maps
from cdul_edge.training.attention.second_look import SecondLook
from cdul_edge.training.data.dataset import StoredPictures
from cdul_edge.training.loop import Trainer
from cdul_edge.training.methods.base import Regions
from cdul_edge.training.ranks import ALONE
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.pictures.images import PictureList, open_image
from cdul_edge_runtime.pictures.preprocess import Preprocess
from tests.training.test_train import cut_after, results

Train = Callable[..., dict[str, Any]]
# Three epochs, the look after the second; at 64 px the trunk has four places.
CCD: dict[str, Any] = {
    "method": "ccd",
    "method_settings": {"label_warmup": 2},
    "height_px": 64,
    "width_px": 64,
}
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)


@dataclass
class ColorClip:
    """Scores a piece by the shares of red, green and blue in it; counts what it is asked."""

    batch_crops: int = 3
    preprocess: Preprocess = field(default_factory=lambda: Preprocess(8, 8))
    batches: list[int] = field(default_factory=list)
    checked: int = 0
    opened: int = 0
    missing: str = ""

    def check(self) -> None:
        self.checked += 1
        if self.missing:
            raise CdulEdgeError(self.missing)

    def open(self, device: torch.device) -> ColorClip:
        self.opened += 1
        return self

    def score(self, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        self.batches.append(len(crops))
        means = crops.astype(np.float32).mean(axis=(1, 2))
        shares: npt.NDArray[np.float32] = means / means.sum(axis=1, keepdims=True)
        return shares


class Colors(nn.Module):
    """Three classes whose maps are the color channels themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.head = nn.Linear(3, 3)
        self.head.weight.data, self.head.bias.data = torch.eye(3), torch.zeros(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return logits


def paint(folder: Path) -> PictureList:
    """Red left above, green right below, on black; then all blue; then red only."""
    pixels = np.zeros((3, 64, 64, 3), np.uint8)
    pixels[0, :16, :16, 0] = pixels[0, 48:, 48:, 1] = 255
    pixels[1, ..., 2] = 200
    pixels[2, 16:32, 16:32, 0] = 255
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return PictureList(folder, ("0.png", "1.png", "2.png"))


def stand_in(pictures: PictureList) -> Trainer:
    """What the pass reads of a trainer."""
    shown = Preprocess(32, 32, "squash", "bilinear", *PLAIN)
    pixels = np.stack([shown.apply(open_image(pictures.absolute(n))) for n in range(3)])
    return cast(
        Trainer,
        SimpleNamespace(
            result=Colors(),
            pictures=StoredPictures(torch.from_numpy(pixels)),
            preprocess=shown,
            device=torch.device("cpu"),
            config=SimpleNamespace(batch_size=2, precision="fp32"),
            ranks=ALONE,
        ),
    )


@pytest.mark.parametrize("batch_crops", [1, 2, 100])
def test_each_class_gets_its_best_piece_of_the_regions_that_were_wanted(
    tmp_path: Path, batch_crops: int
) -> None:
    pictures, clip = paint(tmp_path), ColorClip(batch_crops)
    trainer = stand_in(pictures)
    maps = find_activation_maps(trainer.result, "colors", 32, 32)
    wanted = torch.tensor([[True, True, False], [False, False, False], [True, False, False]])
    ticks: list[int] = []
    look = SecondLook(clip, maps, pictures)
    found = look.look(trainer, Regions(wanted, share=0.95, grow=0.0), ticks.append)
    # The red piece is all red and the green one all green; no piece of the blue picture is wanted.
    expected = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(found, expected)
    assert sum(ticks) == 3
    assert sum(clip.batches) == 3
    assert clip.opened == 1


def test_a_region_that_two_classes_share_is_looked_at_once(tmp_path: Path) -> None:
    pictures, clip = paint(tmp_path), ColorClip()
    maps = ActivationMaps("features", "head", None, with_maximum=False)
    wanted = torch.zeros(3, 3, dtype=torch.bool)
    wanted[1] = True  # red and green are nowhere in the blue picture: all of it, three times
    regions = Regions(wanted, share=0.95, grow=0.0)
    found = SecondLook(clip, maps, pictures).look(stand_in(pictures), regions, lambda count: None)
    assert found[1].tolist() == [0.0, 0.0, 1.0]
    assert clip.batches == [1]


def test_a_picture_that_is_gone_is_one_line(tmp_path: Path) -> None:
    pictures, clip = paint(tmp_path), ColorClip()
    trainer = stand_in(pictures)
    (tmp_path / "2.png").unlink()
    maps = ActivationMaps("features", "head", None, with_maximum=False)
    look = SecondLook(clip, maps, pictures)
    regions = Regions(torch.ones(3, 3, dtype=torch.bool), 0.95, 0.1)
    with pytest.raises(CdulEdgeError, match=r"2.png cannot be read .*: it could be read when"):
        look.look(trainer, regions, lambda count: None)


def test_the_loop_looks_once_after_the_warm_up_and_logs_it(train: Train, tmp_path: Path) -> None:
    import json

    clip = ColorClip()
    train(tmp_path / "run", clip=clip, **CCD)
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert ["look_threshold" in line for line in lines] == [False, True, False]
    assert clip.opened == clip.checked == 1
    assert lines[1]["pictures_seen_again"] > 0


def test_a_run_cut_during_and_after_the_look_goes_on_to_the_same_bits(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", clip=ColorClip(), **CCD)

    def interrupted(self: ColorClip, crops: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ColorClip, "score", interrupted)
        train(tmp_path / "cut", clip=ColorClip(), **CCD)
    saved = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)
    assert saved["epoch"] == 1  # the look belongs to the second epoch, which is done again
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        cut_after(2, patch)
        train(tmp_path / "cut", clip=ColorClip(), **CCD)
    later = ColorClip(missing="the weights are gone since")
    train(tmp_path / "cut", clip=later, **CCD)
    assert (later.checked, later.opened) == (0, 0)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


@pytest.mark.parametrize(
    ("clip", "settings", "message"),
    [
        (None, {}, "the method ccd shows CLIP regions of the pictures, and no CLIP was given"),
        (ColorClip(missing="no CLIP here"), {}, "the method ccd shows CLIP .*: no CLIP here"),
        (
            ColorClip(),
            {"network": "mobilenet_v3_small"},
            "the method ccd shows .*: mobilenet_v3_small has no class activation maps",
        ),
        (ColorClip(), {"height_px": 32, "width_px": 32}, "single place at 32x32 px"),
    ],
)
def test_a_need_that_is_not_met_ends_the_run_before_it_begins(
    train: Train, tmp_path: Path, clip: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(CdulEdgeError, match=message) as raised:
        train(tmp_path / "run", clip=clip, **{**CCD, **settings})
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_without_the_look_no_clip_and_no_maps_are_needed(train: Train, tmp_path: Path) -> None:
    train(
        tmp_path / "run", method="ccd", network="mobilenet_v3_small", epochs=1,
        method_settings={"relabel": False},
    )  # fmt: skip
