"""The options of `cdul-edge calibrate`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cdul_edge_runtime.choices import RangeMethod


class Reduced(str, Enum):
    """A precision that calibration makes or measures; typer takes no list of literals."""

    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    INT8_CPU = "int8-cpu"


BundleFolder = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Unlabeled pictures like those that the model was trained on: a folder, a list, or a "
        "CSV file. Only bundles of old versions know where their own are.",
        show_default=False,
    ),
]
Precisions = Annotated[
    list[Reduced] | None,
    typer.Option(
        help="Make this precision; repeat the option for more. bf16 has no file: it is measured, "
        "with OpenVINO and on a CPU that computes in it.",
        show_default="fp16, int8, and int8-cpu",
    ),
]
Pictures = Annotated[
    int, typer.Option(help="Take the ranges of activations from this many pictures.", min=1)
]
CheckPictures = Annotated[int, typer.Option(help="Measure accuracy on this many pictures.", min=1)]
CheckImages = Annotated[
    Path | None,
    typer.Option(
        help="Measure accuracy on pictures from here instead of others of --images.",
        show_default=False,
    ),
]
Truth = Annotated[
    Path | None,
    typer.Option(
        help="What the pictures to check on show: CSV, VOC folder, COCO JSON or NPZ. Without it, "
        "the FP32 scores are taken as truth.",
        show_default=False,
    ),
]
Method = Annotated[
    RangeMethod,
    typer.Option(
        help="Take ranges that hold all values, or 99.999 % of them. Use percentile where rare "
        "outliers cost accuracy."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the choice of pictures.", min=0)]
MaxMapDrop = Annotated[
    float, typer.Option(help="Refuse a precision that loses more points of mAP.", min=0)
]
MaxFlipRate = Annotated[
    float,
    typer.Option(
        help="Refuse a precision that changes a larger share of the decisions.", min=0, max=1
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace existing files, and write what breaks the budget as well."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 where there are too few pictures to tell.")
]
Json = Annotated[
    Path | None, typer.Option(help="Write a summary as JSON; - is stdout.", show_default=False)
]
