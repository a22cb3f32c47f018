"""Libraries are silent within a block, and as before behind it."""

from __future__ import annotations

import logging
import sys
import warnings

import pytest

from cdul_edge_runtime.host.quiet import quiet_exporter, quiet_loggers


class _Kept(logging.Handler):
    """Keeps messages; pytest's own handler hears what other tests left switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def test_loggers_are_silent_within_and_as_they_were_behind_even_after_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.root.manager, "disable", logging.NOTSET)
    one, root, kept = logging.Logger("talkative"), logging.getLogger("root"), _Kept()
    monkeypatch.setitem(logging.root.manager.loggerDict, "talkative", one)
    one.addHandler(kept)
    one.setLevel(logging.INFO)
    before = root.level
    with (
        pytest.raises(ValueError, match="of the block"),
        quiet_loggers("talkative", "root", level=logging.ERROR),
    ):
        one.warning("dropped")
        logging.warning("dropped too")
        one.error("kept")
        raise ValueError("of the block")
    assert (one.level, root.level) == (logging.INFO, before)
    one.info("heard again")
    assert kept.messages == ["kept", "heard again"]


def test_an_export_prints_and_warns_of_nothing(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_exporter():
            print("progress")
            print("a whole graph", file=sys.stderr)
            logging.getLogger("torch.export").error("a whole graph")
            warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
    print("afterwards")
    assert capsys.readouterr() == ("afterwards\n", "")
    assert caplog.messages == []
