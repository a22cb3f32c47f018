"""`cdul-edge label`: pseudo-labels from pictures and class names."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cdul_edge.cli.options.choices import PrecisionChoice, ResizeChoice
from cdul_edge.cli.output.result_console import message_console
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import extra_imports

if TYPE_CHECKING:
    from cdul_edge.labelling.write_labels import LabelSummary


class StrategyChoice(str, Enum):
    """How a picture's snippets, or its patches, become its scores."""

    EVIDENCE = "evidence"
    CDUL = "cdul"
    MAX = "max"
    AVERAGE = "average"
    COSINE_MEAN = "cosine-mean"
    GLOBAL = "global"
    PATCHES = "patches"


class FusionChoice(str, Enum):
    """How the whole picture joins its snippets."""

    HALF = "half"
    POOLED = "pooled"


class DebiasChoice(str, Enum):
    """How a set's own biases are taken out of its cosines or scores."""

    NONE = "none"
    CENTER = "center"
    SPARC = "sparc"
    CCD = "ccd"
    RIDGE = "ridge"


class DeviceChoice(str, Enum):
    """Where CLIP runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


CLIP, VIEWS, SCORES, RUN = "CLIP", "Views", "Pseudo-labels", "Run"


def _option(help: str, panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


def label(
    out: Annotated[Path, typer.Option(help="Labels folder; a run that was cut off goes on.")],
    images: Annotated[
        Path | None, typer.Argument(help="Folder, text file of paths, or CSV with image_path.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="One a line, or name: prompt | prompt; or an ontology.")
    ] = None,
    from_similarities: Annotated[
        Path | None, typer.Option(help="NPZ or Parquet of CLIP outputs made elsewhere.")
    ] = None,
    made_with_temperature: Annotated[
        float | None, typer.Option(help="Of the softmax values in that file, if it is known.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start anew where other labels are in --out.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Summary as JSON; - is stdout.")] = None,
    clip: Annotated[
        str | None,
        _option("demo, an open_clip architecture, or a folder with open_clip_config.json.", CLIP),
    ] = None,
    pretrained: Annotated[
        str | None, _option("Tag such as openai, a checkpoint, or none (random).", CLIP)
    ] = None,
    seed: Annotated[int, _option("Of random weights.", CLIP, min=0)] = 0,
    template: Annotated[
        list[str] | None,
        _option(
            "With {} for the prompt; give several to average, or ensemble for CLIP's own seven.",
            CLIP,
            show_default="a photo of a {}",
        ),
    ] = None,
    device: Annotated[DeviceChoice, _option("Where CLIP runs.", CLIP)] = DeviceChoice.AUTO,
    precision: Annotated[
        PrecisionChoice, _option("auto is fp32 on a CPU, fp16 on CUDA.", CLIP)
    ] = PrecisionChoice.AUTO,
    grid: Annotated[
        str | None, _option("ROWSxCOLUMNS of snippets.", VIEWS, show_default="3x3")
    ] = None,
    overlap: Annotated[
        float | None,
        _option(
            "Growth of a snippet on every side, of its size.",
            VIEWS,
            min=0,
            max=0.5,
            show_default="0.0",
        ),
    ] = None,
    fit: Annotated[
        ResizeChoice, _option("To CLIP's square; squash shows all.", VIEWS)
    ] = ResizeChoice.SQUASH,
    strategy: Annotated[
        StrategyChoice,
        _option(
            "evidence weighs a class against its rivals over the whole set; the others merge a "
            "picture's snippets, or take a ViT's patches, in one forward pass.",
            SCORES,
        ),
    ] = StrategyChoice.EVIDENCE,
    zeta: Annotated[float, _option("Softmax from which a snippet shows a class.", SCORES)] = 0.2,
    fusion: Annotated[
        FusionChoice, _option("half, or the whole picture as one more snippet.", SCORES)
    ] = FusionChoice.HALF,
    balance: Annotated[
        float,
        _option("Lambda: 0 mean, 1 larger of picture and snippets.", SCORES, "--lambda"),
    ] = 0.0,
    temperature: Annotated[
        str,
        _option(
            "model (1/logit_scale), cached (of imported values), spread (of the set's cosines), or "
            "a number.",
            SCORES,
        ),
    ] = "model",
    debias: Annotated[
        DebiasChoice,
        _option(
            "Of the cosines: center the classes, or sparc (rows, then columns to z-scores); of the "
            "scores: ccd (by the classes' top-1 bias), or ridge. Not for evidence and patches.",
            SCORES,
        ),
    ] = DebiasChoice.NONE,
    thresholds: Annotated[
        str,
        _option(
            "hard-prevalence, soft-prevalence, expected-f1, otsu, fixed (0.5), or a JSON file "
            "{class: share of the pictures}.",
            SCORES,
        ),
    ] = "hard-prevalence",
    keep_embeddings: Annotated[
        bool,
        _option(
            "Keep them: other prompts then read no picture. Patches always do.",
            RUN,
            "--keep-embeddings",
        ),
    ] = False,
    workers: Annotated[
        int | None, _option("Decoding processes; 0 is none.", RUN, min=0, show_default="one a core")
    ] = None,
    threads: Annotated[
        int | None, _option("Of the encoder on a CPU.", RUN, min=1, show_default="one a core")
    ] = None,
    batch_pictures: Annotated[
        int | None,
        _option("Pictures encoded at once.", RUN, min=1, max=256, show_default="fits the device"),
    ] = None,
    part_pictures: Annotated[
        int | None, _option("Pictures a file of the store.", RUN, min=1, show_default="512")
    ] = None,
    max_errors: Annotated[
        int | None, _option("Stop beyond so many unreadable pictures.", RUN, min=0)
    ] = None,
    repair: Annotated[bool, _option("Make missing or cut parts again.", RUN, "--repair")] = False,
) -> None:
    """Score pictures against class names with CLIP, and make pseudo-labels from the scores."""
    given = {k: v.value if isinstance(v, Enum) else v for k, v in locals().items()}
    with extra_imports("train", "labelling"):
        from cdul_edge.labelling.encode.console import Talk
        from cdul_edge.labelling.from_options import run_label
    summary = run_label(given, Talk())
    _show(summary)
    if json is not None:
        write_summary(json, summary.to_dict())


def _show(summary: LabelSummary) -> None:
    console = message_console()
    table = Table(title="Pseudo-labels", title_justify="left")
    table.add_column("class")
    table.add_column("mean score", justify="right")
    table.add_column("threshold", justify="right")
    table.add_column("pictures above", justify="right")
    table.add_column("examples", overflow="fold")
    for row in summary.classes:
        threshold = "-" if row.threshold is None else f"{row.threshold:.3f}"
        examples = ", ".join(repr(path)[1:-1] for path in row.examples)
        cells = (row.name, f"{row.mean_score:.4f}", threshold, str(row.above_threshold), examples)
        table.add_row(*map(Text, cells))
    console.print(table)
    talk = message_console()
    for path, reason in summary.skipped[:10]:
        talk.print(f"skipped {path!r}: {reason}")
    if len(summary.skipped) > 10:
        talk.print(f"… and {len(summary.skipped) - 10} more; the store has them all")
    if summary.unseen:
        talk.print(
            f"warning: no picture shows: {', '.join(summary.unseen)} (no threshold)",
            style="yellow",
        )
    speed = summary.pictures_per_s
    rate = f" ({summary.scored} through CLIP, {speed:.1f} pictures/s)" if speed else ""
    talk.print(
        f"{summary.labelled} pictures labelled, {len(summary.skipped)} skipped, in "
        f"{summary.seconds:.1f} s{rate}: {summary.out}"
    )
