"""Silence libraries that print what their users cannot act on."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

_EXPORTER = (
    "torch.onnx",
    "torch.export",
    "torch.fx.experimental.symbolic_shapes",
    "onnxscript",
    "onnx_ir",
)


@contextmanager
def quiet_loggers(*names: str, level: int = logging.CRITICAL) -> Iterator[None]:
    """Drop what these loggers say below `level`; the name "root" is that of the root logger."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, own in zip(loggers, before, strict=True):
            logger.setLevel(own)


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Silence torch: its tracer and exporter print progress, and whole graphs before an error."""
    sink = io.StringIO()
    with (
        warnings.catch_warnings(),
        redirect_stdout(sink),
        redirect_stderr(sink),
        quiet_loggers(*_EXPORTER),
    ):
        warnings.simplefilter("ignore")
        yield
