"""config.json of a run folder: what decides the run's result, and what else is worth knowing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdul_edge.training.config import LabelsFrom, TrainConfig
from cdul_edge.training.summary import FORMAT
from cdul_edge.version import __version__
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import parse_record
from cdul_edge_runtime.pictures.resizer import PILLOW

CONFIG = "config.json"


@dataclass(frozen=True)
class _StoredConfig:
    """config.json as it stands in the file."""

    settings: dict[str, Any]
    labels: str
    labels_sha256: str
    observed_sha256: str | None
    pictures: int
    classes: tuple[str, ...]
    observed_from: str | None = None  # younger than the format
    labels_from: LabelsFrom = "observed+pseudo"  # younger still: nothing else was possible
    pictures_sha256: str | None = None  # likewise
    resizers: tuple[str, ...] = (PILLOW,)  # likewise


@dataclass(frozen=True)
class RunConfig:
    """What decides a run's result, as config.json holds it."""

    settings: TrainConfig
    labels: str  # where the pseudo-labels lay
    labels_sha256: str
    observed_sha256: str | None  # of the labels that people gave, where they gave any
    observed_from: str | None  # where those come from, in words; no difference between runs
    labels_from: LabelsFrom  # whether pseudo-labels stand beside those
    pictures: int
    classes: ClassList
    pictures_sha256: str | None = None  # of their paths, where they are not all of the labels'
    resizers: tuple[str, ...] = ()  # what resized the pictures, in order; no difference either

    def write(self, folder: Path) -> None:
        """Write config.json."""
        about = {"format": FORMAT, "program": "cdul-edge", "version": __version__, "stage": "train"}
        fields = {**asdict(self), "classes": list(self.classes)}
        write_json(folder / CONFIG, {**about, **fields})

    @classmethod
    def read(cls, folder: Path) -> RunConfig:
        """Read config.json; `CdulEdgeError` where it is missing, damaged or of another format."""
        content = read_json(folder / CONFIG)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CdulEdgeError(
                f"{folder / CONFIG} is not of format {FORMAT}: use the program that made it, or "
                "train again"
            )
        try:
            stored = parse_record(_StoredConfig, content)
            return cls(
                settings=TrainConfig.from_dict(stored.settings),
                labels=stored.labels,
                labels_sha256=stored.labels_sha256,
                observed_sha256=stored.observed_sha256,
                observed_from=stored.observed_from,
                labels_from=stored.labels_from,
                pictures=stored.pictures,
                classes=ClassList(stored.classes),
                pictures_sha256=stored.pictures_sha256,
                resizers=stored.resizers,
            )
        except CdulEdgeError as error:
            raise CdulEdgeError(f"{folder / CONFIG} is damaged ({error}): train again") from error

    def differences(self, other: RunConfig) -> list[str]:
        """What in this run is not as in `other`."""
        found = self.settings.differences(other.settings)
        if list(self.classes) != list(other.classes):
            found.append(f"{len(self.classes)} classes (now {len(other.classes)} others)")
        elif self.labels_sha256 != other.labels_sha256:
            found.append(f"labels {self.labels_sha256[:8]} (now {other.labels_sha256[:8]})")
        if self.pictures_sha256 != other.pictures_sha256:
            found.append(f"{self.pictures} of the labeled pictures (now {other.pictures} others)")
        if self.observed_sha256 != other.observed_sha256:
            mine, theirs = (_short(x.observed_sha256) for x in (self, other))
            found.append(f"observed labels {mine} (now {theirs})")
        if self.labels_from != other.labels_from:
            found.append(f"labels from {self.labels_from} (now {other.labels_from})")
        return found


def _short(digest: str | None) -> str:
    return digest[:8] if digest else "none"
