"""What wandb keeps offline: a file of records in the format of LevelDB's logs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEADER, _BLOCK = 7, 32 * 1024  # bytes
_FULL, _LAST = 1, 4  # types of a piece: all of a record, or the end of one


def read_wandb_file(file: Path) -> Iterator[Any]:
    """The protocol buffers of a run-*.wandb file."""
    from wandb.proto import wandb_internal_pb2

    content = file.read_bytes()
    assert content.startswith(b":W&B"), file
    position, pieces = _HEADER, b""
    while position + _HEADER <= len(content):
        if _BLOCK - position % _BLOCK < _HEADER:  # too little room for a header: zeros
            position += _BLOCK - position % _BLOCK
            continue
        length, kind = struct.unpack_from("<HB", content, position + 4)
        position += _HEADER
        pieces += content[position : position + length]
        position += length
        if kind in (_FULL, _LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(pieces)
            yield record
            pieces = b""
