"""`cdul-edge label` beside the loop over open_clip that people write, and transformers' pipeline.

All sides read the same JPEG files and encode ten views of each picture with weights that are
random: a CLIP that learned is as fast. What a command does once is not timed on any side: loading
CLIP, embedding the class names, exporting the image tower. Ours stores the cosines as well.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from benchmarks.filled_store import open_filler
from benchmarks.peers.row import Bar, Comparison, Measured, Setting
from benchmarks.peers.turns import alternate_calls
from benchmarks.training import PHOTOS, write_pictures
from cdul_edge.clip.choices import Encoder, Precision
from cdul_edge.clip.models import load_clip
from cdul_edge.demo.world import CLASS_NAMES
from cdul_edge.labelling import LabelRequest, Views
from cdul_edge.labelling.arrays import Pixels
from cdul_edge.labelling.decode.picture_reader import PictureReader
from cdul_edge.labelling.encode.choose_encoder import choose_encoder
from cdul_edge.labelling.encode.image_encoder import ImageEncoder
from cdul_edge.labelling.encode.open_encoder import Wish
from cdul_edge.labelling.encode.prompts import Prompts
from cdul_edge.labelling.encode.sample import read_sample
from cdul_edge.sources.files import LocalFiles
from cdul_edge.sources.source import SourcePicture
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.host.console import StderrConsole
from cdul_edge_runtime.pictures.images import PictureList

BATCH = 32  # views that the loop encodes at once
LONG_JOB = 10_000  # pictures that `auto` is told of: for a few it would not try anything
PICTURES = {"ViT-B-32": 16, "RN50": 8}  # in a round: a few seconds
VIEWS = Views()
NAMES = {"ViT-B-32": "ViT-B/32", "RN50": "RN50", "demo": "the demo's CLIP"}


def measure_label(clip: str, setting: Setting) -> Measured:
    """FP32 and what `auto` takes, beside the loop, which computes in FP32."""
    torch.set_num_threads(setting.threads)
    clip, count = ("demo", 2) if setting.quick else (clip, PICTURES[clip])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = draw_pictures(folder / "pictures", count)
        fp32, _ = open_labelling(clip, pictures, folder / "fp32", setting, "fp32")
        auto, took = open_labelling(clip, pictures, folder / "auto", setting, "auto", "auto")
        sides = {
            "fp32": fp32,
            "auto": auto,
            "loop": open_clip_loop(clip, pictures, setting.threads),
        }
        seconds = alternate_calls(sides, setting.rounds)
    rates = {side: tuple(count / s for s in found) for side, found in seconds.items()}
    peer, loop = f"open_clip loop, batch {BATCH}", rates["loop"]
    work = f"label, {NAMES[clip]}, ten views"
    return Measured(
        (
            Comparison(
                "fp32", f"{work}, FP32", peer, "pictures/s", rates["fp32"], loop,
                Bar("at least", 1.05),
            ),
            Comparison(
                "auto", f"{work}, auto", f"{peer}, FP32", "pictures/s", rates["auto"], loop,
                Bar("at least", 2.0), took,
            ),
        ),
        (describe_pictures(),),
    )  # fmt: skip


def measure_vit(setting: Setting) -> Measured:
    return measure_label("ViT-B-32", setting)


def measure_resnet(setting: Setting) -> Measured:
    return measure_label("RN50", setting)


def measure_transformers(setting: Setting) -> Measured:
    """FP32 beside the zero-shot pipeline, given the same ten crops of each picture."""
    torch.set_num_threads(setting.threads)
    count = 1 if setting.quick else 4
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = draw_pictures(folder / "pictures", count)
        clip = "demo" if setting.quick else "ViT-B-32"
        ours, _ = open_labelling(clip, pictures, folder / "fp32", setting, "fp32")
        sides = {"ours": ours, "pipeline": _pipeline(pictures, setting)}
        seconds = alternate_calls(sides, setting.rounds)
    ours_rate, rate = (tuple(count / s for s in seconds[side]) for side in sides)
    work, peer = f"label, {NAMES[clip]}, ten views, FP32", "transformers zero-shot pipeline"
    one = Comparison("fp32", work, peer, "pictures/s", ours_rate, rate)
    return Measured((one,), (describe_pictures(),))


def draw_pictures(folder: Path, count: int) -> PictureList:
    """JPEG files of 500 x 375 px."""
    folder.mkdir()
    return write_pictures(folder, count)


def describe_pictures() -> str:
    """What they show."""
    kind = "crops of photographs" if PHOTOS.is_dir() else "drawn scenes: shared/data is not here"
    return f"JPEG files of 500x375 px, {kind}"


def open_labelling(
    clip: str,
    pictures: PictureList,
    out: Path,
    setting: Setting,
    precision: Precision,
    encoder_name: Encoder = "torch",
) -> tuple[Callable[[], None], str]:
    """What `cdul-edge label` does once CLIP is loaded, and what runs it."""
    loaded = load_clip(clip, None if clip == "demo" else "none")
    classes = ClassList(CLASS_NAMES)
    prompts = Prompts(classes, tuple((name,) for name in classes))
    wish = Wish(
        encoder=encoder_name,
        device="cpu",
        precision=precision,
        threads=setting.threads,
        views=0 if setting.quick else LONG_JOB * VIEWS.count,
    )

    def read(encoder: ImageEncoder, views: int) -> Pixels:
        reader = PictureReader(LocalFiles(pictures.root), VIEWS, encoder.preprocess(VIEWS.fit))
        return read_sample(reader, map(SourcePicture, pictures.paths), views)

    description = loaded.description
    encoder = choose_encoder(loaded, wish, prompts, read, StderrConsole())
    request = LabelRequest(
        images=pictures.root,
        classes=Path(),
        out=out,
        clip=clip,
        workers=setting.threads,
        threads=setting.threads,
    )
    fill, _ = open_filler(request, pictures, prompts, encoder, description)

    def run() -> None:
        shutil.rmtree(out / "similarities", ignore_errors=True)
        fill()

    return run, f"{encoder.precision} by {encoder.library}"


def crops(pictures: PictureList) -> Iterator[Image.Image]:
    """The ten views of each picture, as Pillow cuts them."""
    for index in range(len(pictures)):
        with Image.open(pictures.absolute(index)) as file:
            picture = file.convert("RGB")
        yield from (picture.crop(box) for box in VIEWS.boxes(picture.width, picture.height))


def open_clip_loop(name: str, pictures: PictureList, threads: int) -> Callable[[], None]:
    """Crop, open_clip's own transform, and `encode_image` on full batches."""
    import open_clip

    clip = load_clip(name, None if name == "demo" else "none")
    model: Any = clip.model
    transform = open_clip.image_transform(
        clip.image_size_px, is_train=False, mean=clip.mean, std=clip.std
    )

    @torch.inference_mode()
    def run() -> None:
        torch.set_num_threads(threads)  # ours set MKL's, which all threads share
        waiting: list[torch.Tensor] = []
        for crop in crops(pictures):
            waiting.append(transform(crop))
            if len(waiting) == BATCH:
                model.encode_image(torch.stack(waiting), normalize=True)
                waiting.clear()
        if waiting:
            model.encode_image(torch.stack(waiting), normalize=True)

    return run


def _pipeline(pictures: PictureList, setting: Setting) -> Callable[[], None]:
    """Of transformers, with CLIP's default size: ViT-B/32; a tokenizer that needs no download."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        PreTrainedTokenizerFast,
        pipeline,
    )

    words = ("[UNK]", "[PAD]", *"this is a photo of .".split(), *CLASS_NAMES)
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    small = {"num_hidden_layers": 1} if setting.quick else {}
    classify = pipeline(
        "zero-shot-image-classification",
        model=CLIPModel(CLIPConfig(text_config=small, vision_config=small)).eval(),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]"
        ),
        image_processor=CLIPImageProcessor(),
        device="cpu",
    )

    def run() -> None:
        torch.set_num_threads(setting.threads)  # see `open_clip_loop`
        classify(list(crops(pictures)), candidate_labels=list(CLASS_NAMES), batch_size=BATCH)

    return run
