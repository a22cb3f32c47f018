"""What labeling can be asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cdul_edge.clip.choices import Device, Encoder, Precision
from cdul_edge.labelling.choices import EngineName
from cdul_edge.labelling.decode.views import Views, WholePicture
from cdul_edge.labelling.encode.prompts import DEFAULT_TEMPLATE
from cdul_edge.labelling.score.scoring import NOT_CACHED, Scoring
from cdul_edge.labels.manifest import SkippedPicture
from cdul_edge.storage.location import Location
from cdul_edge_runtime.errors import CdulEdgeError


@dataclass(frozen=True)
class LabelRequest:
    """Label pictures with CLIP.

    Attributes:
        images: a folder, a text file of paths, a CSV with image_path, or tar or Parquet shards: a
            folder of them, one, or a pattern such as shard-{00000..00099}.tar. A path or a URL.
        classes: a class file, as `read_prompts` takes it.
        out: the labels folder, here or in an object store.
        clip: Name, folder, or file of the CLIP model; see `load_clip`.
        pretrained: Tag or checkpoint file of its weights.
        seed: Of random weights (`pretrained="none"`).
        templates: texts with one {} for the prompt.
        views: what CLIP sees of a picture; None fits the strategy.
        device: where CLIP runs.
        precision: number format of CLIP; None is fp32 on a CPU and fp16 on CUDA. "auto" tries what
            a CPU has, and takes the fastest that names the same classes. Both keep to what the
            labels in `out` were begun with.
        encoder: what runs CLIP's image tower; "auto" is what the labels in `out` were begun with.
        keep_embeddings: so that other prompts need no picture; patches always do.
        part_pictures: pictures per part of the store; None is the store's own, or fits the views.
        part_shards: shards per part, where pictures lie in shards; None is the store's own, or 1.
        batch_pictures: pictures encoded at once; None fits the device.
        workers: decoding processes; None is one per core, 0 decodes in the main process.
        threads: of the encoder on a CPU; None is one per core.
        max_errors: stop beyond so many unreadable pictures.
        force: start over where the labels in `out` were made otherwise.
        update: label pictures that are new, were replaced or could not be read, and drop those that
            are gone.
        repair: make missing or damaged parts again, and the rows of pictures that were replaced.
        verify: read everything that is in the folder, and compare it with what was written; else
            names and sizes are compared.
        engine: what makes the parts: this process, or actors on a Ray cluster.
        address: "auto" or host:port of the cluster; None is one of this machine alone.
        actors: how many at most; None takes the whole cluster.
        observed: CSV or NPZ files of labels that people gave, as `read_observed` takes them; they
            correct the scores of all pictures.

    Raises:
        CdulEdgeError: options that exclude each other, or an empty path.
    """

    images: Location
    classes: Path
    out: Location
    clip: str
    pretrained: str | None = None
    seed: int = 0
    templates: tuple[str, ...] = (DEFAULT_TEMPLATE,)
    views: Views | WholePicture | None = None
    scoring: Scoring = field(default_factory=Scoring)
    device: Device = "auto"
    precision: Precision | None = None
    encoder: Encoder = "auto"
    keep_embeddings: bool = False
    part_pictures: int | None = None
    part_shards: int | None = None
    batch_pictures: int | None = None
    workers: int | None = None
    threads: int | None = None
    max_errors: int | None = None
    force: bool = False
    update: bool = False
    repair: bool = False
    verify: bool = False
    engine: EngineName = "local"
    address: str | None = None
    actors: int | None = None
    observed: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.scoring.temperature == "cached":
            raise CdulEdgeError(NOT_CACHED)
        if self.engine != "ray" and (self.address is not None or self.actors is not None):
            raise CdulEdgeError("--address and --actors are about a cluster: add --engine ray")
        patches = self.scoring.kind == "patches"
        if isinstance(self.views, Views) and patches:
            raise CdulEdgeError(
                "--strategy patches encodes the whole picture, and no snippets: drop --grid and "
                "--overlap"
            )
        if isinstance(self.views, WholePicture) and not patches:
            raise CdulEdgeError(
                f"--strategy {self.scoring.strategy} merges snippets: give a grid of them"
            )

    @property
    def chosen_views(self) -> Views | WholePicture:
        """`views`, or those that fit the strategy."""
        return self.views or (WholePicture() if self.scoring.kind == "patches" else Views())


@dataclass(frozen=True)
class ImportRequest:
    """Make labels of CLIP outputs that were computed elsewhere.

    Attributes:
        similarities: the NPZ or Parquet file.
        out: the labels folder.
        images: the pictures themselves, for training to find; None keeps the names.
        classes: a class file that must name the file's classes in their order.
        made_with: temperature of its softmax values; None takes the file's, or detects it.
        force: as in `LabelRequest`.
        repair: as in `LabelRequest`.
        verify: as in `LabelRequest`.
        observed: as in `LabelRequest`.

    Raises:
        CdulEdgeError: a strategy that needs embeddings.
    """

    similarities: Location
    out: Location
    images: Path | None = None
    classes: Path | None = None
    made_with: float | None = None
    scoring: Scoring = field(default_factory=Scoring)
    force: bool = False
    repair: bool = False
    verify: bool = False
    observed: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.scoring.kind == "patches":
            raise CdulEdgeError(
                "--strategy patches needs the embeddings of patches, which --from-similarities "
                "does not bring: give --clip a ViT and the pictures, or another --strategy"
            )


@dataclass(frozen=True)
class ClassSummary:
    """What the pseudo-labels say of one class.

    `threshold` is None for a class that no picture shows; `examples` are its best pictures.
    """

    name: str
    mean_score: float
    threshold: float | None
    above_threshold: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class LabelResult:
    """What a run of labeling did.

    Attributes:
        out: the labels folder.
        skipped: path and reason of the first 100 pictures that could not be read.
        scored: pictures that CLIP encoded in this run.
        pictures_per_s: of those, from the first decoded to the last stored; None without any.
        seconds: in all.
        scoring: how the scores were made; plain values.
    """

    out: Location
    pictures: int
    labelled: int
    skipped: tuple[SkippedPicture, ...]
    scored: int
    pictures_per_s: float | None
    seconds: float
    scoring: Mapping[str, object]
    classes: tuple[ClassSummary, ...]

    @property
    def unreadable(self) -> int:
        """How many pictures could not be read."""
        return self.pictures - self.labelled

    @property
    def unseen(self) -> tuple[str, ...]:
        """Classes that no picture shows: they have no threshold."""
        return tuple(row.name for row in self.classes if row.threshold is None)

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        derived = {"unreadable": self.unreadable, "unseen": list(self.unseen)}
        return {**asdict(self), "out": str(self.out), **derived}
