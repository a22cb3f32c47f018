"""JSON that a stage wrote, as a record; anything else is one line that says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cdul_edge_runtime.bundle.manifest import PROGRAM
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json
from cdul_edge_runtime.host.json_record import RecordError, check_header, parse_record

Record = TypeVar("Record")


@dataclass(frozen=True)
class MachineFacts:
    """On which machine figures were measured, as every report of a device has it."""

    cpu: str
    cores: int
    memory_mib: float | None = None
    system: str = ""
    python: str = ""


@dataclass(frozen=True)
class UnavailableFacts:
    """A device and precision that this machine or bundle does not have."""

    device: str
    precision: str
    reason: str


def read_stage(file: Path, record: type[Record], command: str, **header: object) -> Record:
    """Read a stage's JSON.

    Args:
        file: what `cdul-edge COMMAND --json` wrote.
        record: what it holds; fields that it does not name are left aside.
        command: which command that is, for messages.
        header: what must stand in it, such as `format=2`.

    Raises:
        CdulEdgeError: it is no JSON (NaN included), of another format, or lacks a field.
    """
    content: object = read_json(file)
    try:
        check_header(content, program=PROGRAM, **header)
        return parse_record(record, content)
    except RecordError as error:
        raise CdulEdgeError(
            f"{file} is not what `cdul-edge {command}` of this version writes ({error}): run "
            f"`cdul-edge {command}` again"
        ) from error
