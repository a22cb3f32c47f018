"""Decoded pictures of runs that start together: one process decodes them for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cdul_edge.study.cell_run import CellRun
from cdul_edge.training.decode_ahead import decode_pictures, find_preprocess
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.console import Console


def decode_once(runs: Sequence[CellRun], console: Console) -> None:
    """Fill the shared cache with the pictures of all runs, each size and list of pictures once.

    What cannot be decoded is left to its runs, which fail with the reason.
    """
    sights: dict[tuple[object, ...], dict[object, CellRun]] = {}
    for run in runs:
        config = run.config
        sight = (config.network, config.weights, config.height_px, config.width_px, config.resize)
        sights.setdefault(sight, {})[run.labels, run.decoded] = run
    for similar in sights.values():
        first = next(iter(similar.values()))
        try:
            preprocess = find_preprocess(first.config)
            for run in similar.values():
                data = replace(run.request.data, workers=0)
                decode_pictures(replace(run.request, data=data), preprocess, console)
        except CdulEdgeError:
            continue
