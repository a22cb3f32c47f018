"""What is asked of every tracker, and what a run is to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

from cdul_edge.training.config import SettingValue
from cdul_edge.training.run_config import RunConfig
from cdul_edge.version import __version__
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.host.json_record import RecordError, check_header, parse_record

PROJECT = "cdul-edge"
_FORMAT = 1

Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class RunFacts:
    """A run, as trackers show it.

    Attributes:
        folder: the run folder, absolute.
        settings: every setting by name; a method's own as "method_settings.NAME".
        tags: what the run is of: digests of labels, counts, and the program's version.
    """

    folder: Path
    settings: Mapping[str, SettingValue]
    tags: Mapping[str, str]

    @property
    def name(self) -> str:
        """What people call the run."""
        return self.folder.name

    @classmethod
    def of(cls, folder: Path, about: RunConfig) -> RunFacts:
        """The facts of the run in `folder`."""
        settings: dict[str, SettingValue] = {}
        for name, value in about.settings.to_dict().items():
            if isinstance(value, Mapping):
                settings.update({f"{name}.{key}": one for key, one in value.items()})
            elif value is None or isinstance(value, (bool, int, float, str)):
                settings[name] = value
        tags = {
            "labels_sha256": about.labels_sha256,
            "observed_sha256": about.observed_sha256,
            "pictures_sha256": about.pictures_sha256,
            "labels_from": about.labels_from,
            "pictures": str(about.pictures),
            "classes": str(len(about.classes)),
            "cdul_edge_version": __version__,
        }
        known = {name: value for name, value in tags.items() if value is not None}
        return cls(folder.absolute(), settings, known)


@dataclass(frozen=True)
class Kept:
    """What a run folder keeps of a tracker, so that a resumed run goes on in the same place.

    Attributes:
        id: by which the tracker knows the run again.
        epoch: the last that it was told.
    """

    id: str
    epoch: int = 0

    def write(self, folder: Path, tracker: str) -> None:
        """Write tracking.NAME.json."""
        header = {"format": _FORMAT, "program": "cdul-edge", "stage": "train"}
        write_json(folder / _file_name(tracker), {**header, **asdict(self)})

    @classmethod
    def read(cls, folder: Path, tracker: str) -> Kept | None:
        """Read tracking.NAME.json; None where there is none.

        Raises:
            CdulEdgeError: it is damaged.
        """
        file = folder / _file_name(tracker)
        if not file.is_file():
            return None
        content = read_json(file)
        try:
            check_header(content, format=_FORMAT, program="cdul-edge")
            return parse_record(cls, content)
        except RecordError as error:
            raise CdulEdgeError(
                f"{file} is damaged ({error}): remove it to log as a new run"
            ) from error


def _file_name(tracker: str) -> str:
    return f"tracking.{tracker}.json"


class Tracker(Protocol):
    """One library that shows training runs; its calls come from one thread, in order.

    Whatever a method raises ends the tracking, and never the training.
    """

    def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
        """Open a run, or the one that was kept.

        Returns:
            What to keep: `kept` itself where that run goes on, else a new id with epoch 0.
        """
        ...

    @property
    def place(self) -> str:
        """Where it logs, for people; known after `start`."""
        ...

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log the numbers of an epoch, from 1."""
        ...

    def end(self, status: Status, epoch: int, summary: Mapping[str, float]) -> None:
        """Log what the whole run found, if it ended well, and close it.

        Args:
            status: how the run ended.
            epoch: its last.
            summary: empty unless it finished.
        """
        ...
