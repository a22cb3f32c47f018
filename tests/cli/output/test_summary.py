import json
from pathlib import Path

import pytest

from cdul_edge.cli.output.summary import write_summary


def test_a_dash_is_stdout_and_a_name_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_summary(Path("-"), {"größe": 1})
    assert json.loads(capsys.readouterr().out) == {"größe": 1}
    write_summary(tmp_path / "s.json", {"größe": 2})
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8")) == {"größe": 2}
    assert capsys.readouterr().out == ""
