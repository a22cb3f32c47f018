"""The options of `cdul-edge label`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cdul_edge.clip import choices as clip_choices
from cdul_edge.labelling.score import choices
from cdul_edge_runtime.choices import Resize

_CLIP, _VIEWS, _SCORES, _RUN = "CLIP", "Views", "Pseudo-labels", "Run"

Out = Annotated[
    str,
    typer.Option(
        metavar="<path>",
        help="Labels folder, or its address, such as s3://bucket/labels. The same command "
        "continues an interrupted run.",
    ),
]
Images = Annotated[
    str | None,
    typer.Argument(
        help="Folder of pictures, text file of paths, CSV with image_path, or tar or Parquet "
        "shards: a folder of them, one, or a pattern such as shard-{00000..00099}.tar. A path or a "
        "URL.",
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        help="Class file: one name per line, or `name: prompt | prompt`; or an ontology as JSON "
        "or YAML."
    ),
]
FromSimilarities = Annotated[
    str | None,
    typer.Option(
        metavar="<path>",
        help="NPZ or Parquet file of CLIP outputs that were computed elsewhere; a path or a URL.",
    ),
]
MadeWithTemperature = Annotated[
    float | None,
    typer.Option(
        help="Temperature of the softmax values in that file. Without it, the file's own is used, "
        "or it is detected."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace labels made with other settings.")]
Update = Annotated[
    bool,
    typer.Option(
        "--update",
        help="Label pictures that are new, were replaced, or could not be read, and drop those "
        "that are gone. The others are not encoded again.",
    ),
]
Json = Annotated[Path | None, typer.Option(help="Write a summary as JSON; - is stdout.")]

Clip = Annotated[
    str | None,
    typer.Option(
        help="An open_clip architecture such as ViT-B-16, a folder with open_clip_config.json, or "
        "demo for the bundled CLIP of the drawn world.",
        rich_help_panel=_CLIP,
    ),
]
Pretrained = Annotated[
    str | None,
    typer.Option(
        help="Weights: a tag such as openai, a checkpoint file, or none for random weights.",
        rich_help_panel=_CLIP,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of random weights.", min=0, rich_help_panel=_CLIP)]
Template = Annotated[
    list[str] | None,
    typer.Option(
        help="Sentence with {} for the prompt. Give several to average them, or ensemble for the "
        "seven that CLIP's authors recommend.",
        show_default="a photo of a {}",
        rich_help_panel=_CLIP,
    ),
]
Device = Annotated[
    clip_choices.Device,
    typer.Option(
        help="Where CLIP runs. auto takes the GPU if there is one. To use another GPU than the "
        "first, set CUDA_VISIBLE_DEVICES.",
        rich_help_panel=_CLIP,
    ),
]
Precision = Annotated[
    clip_choices.Precision | None,
    typer.Option(
        help="Number format of CLIP's image tower. auto tries fp32 and bf16 on a CPU for a second, "
        "and takes the faster if it names the same classes.",
        show_default="fp32 on a CPU, fp16 on CUDA",
        rich_help_panel=_CLIP,
    ),
]
Encoder = Annotated[
    clip_choices.Encoder,
    typer.Option(
        help="What runs CLIP's image tower: torch, or on a CPU openvino or onnx (ONNX Runtime), "
        "for which it is exported once. auto takes openvino where that pays.",
        rich_help_panel=_CLIP,
    ),
]

Grid = Annotated[
    str | None,
    typer.Option(
        help="Cut each picture into ROWSxCOLUMNS snippets. Use more where objects are small.",
        show_default="3x3",
        rich_help_panel=_VIEWS,
    ),
]
Overlap = Annotated[
    float | None,
    typer.Option(
        help="Enlarge each snippet on every side by this fraction of its size. Use 0.25 where "
        "objects sit on snippet borders.",
        min=0,
        max=0.5,
        show_default="0.0",
        rich_help_panel=_VIEWS,
    ),
]
Fit = Annotated[
    Resize,
    typer.Option(
        help="How a view becomes CLIP's square input. squash shows all of it.",
        rich_help_panel=_VIEWS,
    ),
]

Strategy = Annotated[
    choices.Strategy,
    typer.Option(
        help="How similarities become scores. evidence weighs each class against its rivals over "
        "the whole set and needs at least 100 pictures; patches uses the patches of a ViT in one "
        "forward pass; the others merge the snippets of each picture.",
        rich_help_panel=_SCORES,
    ),
]
Zeta = Annotated[
    float,
    typer.Option(
        help="Softmax value from which a snippet shows a class, for cdul.", rich_help_panel=_SCORES
    ),
]
Fusion = Annotated[
    choices.Fusion,
    typer.Option(
        help="half gives the whole picture the weight of all snippets together; pooled makes it "
        "one more snippet, for max and average.",
        rich_help_panel=_SCORES,
    ),
]
Balance = Annotated[
    float,
    typer.Option(
        "--lambda",
        help="Between the mean (0) and the larger (1) of the whole picture's score and its "
        "snippets'.",
        rich_help_panel=_SCORES,
    ),
]
Temperature = Annotated[
    str,
    typer.Option(
        help="Temperature of the softmax over classes: model for CLIP's own, spread for the spread "
        "of the set's cosines, cached for that of imported values, or a number.",
        rich_help_panel=_SCORES,
    ),
]
Debias = Annotated[
    choices.Debias,
    typer.Option(
        help="Remove a set's bias toward some classes. center and sparc change the cosines, ccd "
        "and ridge the scores. Not for evidence and patches, which do so by themselves.",
        rich_help_panel=_SCORES,
    ),
]
Thresholds = Annotated[
    str,
    typer.Option(
        help="Rule that turns scores into labels: hard-prevalence, soft-prevalence, expected-f1, "
        "otsu, fixed (0.5), or a JSON file {class: fraction of pictures that show it}.",
        rich_help_panel=_SCORES,
    ),
]
Observed = Annotated[
    list[Path] | None,
    typer.Option(
        help="CSV or NPZ file with labels that people gave to some of the pictures, such as what "
        "review saves: they correct each class's scores and thresholds. May be repeated.",
        rich_help_panel=_SCORES,
    ),
]

KeepEmbeddings = Annotated[
    bool,
    typer.Option(
        "--keep-embeddings",
        help="Store embeddings too, so that new classes or prompts need no second pass over the "
        "pictures. patches always does.",
        rich_help_panel=_RUN,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Decoding processes. 0 decodes in the main process.",
        min=0,
        show_default="one per core",
        rich_help_panel=_RUN,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Threads of the encoder on a CPU.",
        min=1,
        max=1024,
        show_default="one per core",
        rich_help_panel=_RUN,
    ),
]
BatchPictures = Annotated[
    int | None,
    typer.Option(
        help="Pictures encoded at once. Use fewer when a GPU runs out of memory.",
        min=1,
        max=256,
        show_default="fits the device",
        rich_help_panel=_RUN,
    ),
]
PartPictures = Annotated[
    int | None,
    typer.Option(
        help="Pictures per file of the store. An interruption loses at most one file's work.",
        min=1,
        show_default="512, or 128 for patches",
        rich_help_panel=_RUN,
    ),
]
PartShards = Annotated[
    int | None,
    typer.Option(
        help="Shards per file of the store, where pictures lie in shards.",
        min=1,
        show_default="1",
        rich_help_panel=_RUN,
    ),
]
MaxErrors = Annotated[
    int | None,
    typer.Option(
        help="Stop when more pictures than this cannot be read.", min=0, rich_help_panel=_RUN
    ),
]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Make missing or damaged files of the store again, and label pictures that were "
        "replaced.",
        rich_help_panel=_RUN,
    ),
]
