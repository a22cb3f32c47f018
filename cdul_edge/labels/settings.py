"""What labels were made with: the settings that were asked for, and the CLIP as it ran."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from cdul_edge.clip.choices import Library
from cdul_edge.clip.files import ClipDescription
from cdul_edge_runtime.choices import Resize

# What a store holds of each picture beside the whole: its snippets, or its patch tokens.
Kind = Literal["snippets", "patches"]
# "all": every snippet's cosines. "extremes": two rows, the softmax over the classes of which is
# each class's best and worst snippet.
Snippets = Literal["all", "extremes"]


@dataclass(frozen=True)
class ClipSettings:
    """What was asked for when CLIP made the similarities, beside classes, prompts and templates.

    Attributes:
        clip, pretrained, seed: as `load_clip` takes them; a local file by its whole path.
        weights_sha256: of the weights, where they are a local file.
        grid, overlap, fit: the views of a picture.
        precision: as it was asked for; `LabelsManifest.model` has what it came to.
        keep_embeddings, part_pictures: how the store is laid out.
        kind, tokens: "patches" and how their tokens are made.
    """

    clip: str
    pretrained: str | None
    seed: int
    weights_sha256: str | None
    grid: str
    overlap: float
    fit: Resize
    precision: str
    keep_embeddings: bool
    part_pictures: int
    kind: Kind = "snippets"
    tokens: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Plain values; stores of snippets have no word of tokens: they are older than patches."""
        found = asdict(self)
        if self.kind == "snippets":
            del found["kind"], found["tokens"]
        return found


@dataclass(frozen=True)
class ImportSettings:
    """Where imported similarities come from.

    Attributes:
        from_similarities: sha256 of the file.
        made_with_temperature: of its softmax values; None for cosines.
        images: sha256 of the list of pictures.
    """

    from_similarities: str
    made_with_temperature: float | None
    images: str

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True)
class ClipRun(ClipDescription):
    """The CLIP that made the similarities, and how it ran.

    Attributes:
        precision: what its image tower computed in.
        encoder: what ran the image tower.
    """

    precision: str
    encoder: Library = "torch"

    def to_dict(self) -> dict[str, object]:
        """Plain values; PyTorch is not named: stores are older than the choice."""
        found = asdict(self)
        if self.encoder == "torch":
            del found["encoder"]
        return found
