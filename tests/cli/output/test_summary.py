import json
from pathlib import Path

import pytest

from cdul_edge import __version__
from cdul_edge.cli.output.summary import write_summary
from cdul_edge_runtime.errors import CdulEdgeError

HEAD = {"program": "cdul-edge", "version": __version__}


def test_a_dash_is_stdout_and_a_name_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_summary(Path("-"), {"größe": 1})
    assert json.loads(capsys.readouterr().out) == {**HEAD, "größe": 1}
    write_summary(tmp_path / "s.json", {"größe": 2})
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == {**HEAD, "größe": 2}
    assert capsys.readouterr().out == ""


def test_a_report_is_replaced_one_of_0_1_too(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    for earlier in ("", json.dumps({**HEAD, "other": 1}), '{"scores": 1, "truth": 2}'):
        file.write_text(earlier)
        write_summary(file, {"scores": 3, "truth": 4})
        assert json.loads(file.read_text()) == {**HEAD, "scores": 3, "truth": 4}


@pytest.mark.parametrize(
    "foreign",
    [
        "a,b",
        "[]",
        '{"images": []}',
        '{"scores": 1}',
        '{"path": "a", "scores": {}}',
        '{"format": 1, "program": "cdul-edge", "scores": 3, "truth": 4}',  # such as a manifest
    ],
)
def test_what_is_no_report_is_never_replaced(foreign: str, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text(foreign)
    with pytest.raises(CdulEdgeError, match="is not a report that cdul-edge made"):
        write_summary(file, {"scores": 3, "truth": 4})
    assert file.read_text() == foreign
