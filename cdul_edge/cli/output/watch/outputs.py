"""Everything that a watch writes to, opened before its sources and closed after them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cdul_edge.cli.output.watch.rows import StdoutRows, row_encoder
from cdul_edge_runtime.errors import CdulEdgeError

if TYPE_CHECKING:
    from cdul_edge.cli.options.stopping import Stopping
    from cdul_edge_runtime.streams.outputs.mqtt_address import MqttAddress
    from cdul_edge_runtime.streams.outputs.output import Output, Say


@dataclass(frozen=True)
class OutputRequest:
    """Where rows go.

    Attributes:
        stdout: write them there.
        top: keep only so many of a frame's highest scores; None keeps all.
        out: file that they are appended to; None for none.
        out_size_mib: its largest size.
        out_keep: how many full files are kept.
        force: replace the rows that `out` holds.
        broker: who is told which labels are there; None for nobody.
        clips: folder for a picture of each label that appears; None for none.
        clips_size_mib: largest size of these pictures in all.
    """

    stdout: bool
    top: int | None
    out: Path | None
    out_size_mib: float
    out_keep: int
    force: bool
    broker: MqttAddress | None
    clips: Path | None
    clips_size_mib: float

    def refuse_unusable(self) -> None:
        """Say before anything is loaded that nothing can be written.

        Raises:
            CdulEdgeError: stdout is closed or goes to `out`, or that holds something else than
                rows.
        """
        from cdul_edge.cli.output.streams import data_stdout
        from cdul_edge_runtime.streams.outputs.json_lines import require_rows

        stdout = data_stdout() if self.stdout else None
        if self.out is not None:
            require_rows(self.out)
            if stdout is not None and _leads_to(stdout, self.out):
                raise CdulEdgeError(
                    f"stdout goes to {self.out} already: leave --out away, or add --no-json"
                )


def _leads_to(stdout: TextIO, file: Path) -> bool:
    try:
        there = os.fstat(stdout.fileno())
        return stat.S_ISREG(there.st_mode) and os.path.samestat(there, file.stat())
    except OSError:  # in memory, or no such file yet
        return False


@contextmanager
def open_outputs(
    request: OutputRequest,
    streams: Sequence[str],
    labels: Sequence[str],
    say: Say,
    stopping: Stopping,
) -> Iterator[list[Output]]:
    """Open everything that is asked for.

    Args:
        request: where rows go.
        streams: names of all streams.
        labels: names of the classes that may appear.
        say: told of what is lost, and that it is back.
        stopping: asked to stop when nobody reads stdout any more.

    Raises:
        CdulEdgeError: a place is in use or holds something else; nothing was watched.
        MissingExtraError: paho-mqtt is not installed.
    """
    encode = row_encoder(request.top)
    outputs: list[Output] = []
    with ExitStack() as stack:

        def keep(output: Output) -> None:
            outputs.append(stack.enter_context(closing(output)))

        if request.out is not None:
            from cdul_edge_runtime.streams.outputs.json_lines import JsonLinesFile

            keep(
                JsonLinesFile(
                    request.out,
                    encode,
                    say,
                    size_mib=request.out_size_mib,
                    keep=request.out_keep,
                    replace=request.force,
                )
            )
        if request.clips is not None:
            from cdul_edge_runtime.streams.outputs.clips import ClipFolder

            keep(ClipFolder(request.clips, encode, say, size_mib=request.clips_size_mib))
        if request.broker is not None:
            from cdul_edge_runtime.streams.outputs.mqtt import MqttOutput

            keep(MqttOutput(request.broker, streams, labels, say))
        if request.stdout:
            keep(StdoutRows(encode, say, stopping))
        yield outputs
