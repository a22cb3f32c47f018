from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cdul_edge.labels.score_stream import stream_scores
from cdul_edge_runtime.errors import CdulEdgeError

LINE = '{"path": "a", "labels": ["x"], "scores": {"x": 0.5, "y": 0.25}}\n'


def test_json_lines_and_tables_come_in_batches_with_their_decisions(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text(LINE * 5000 + "\n")
    stream = stream_scores(file)
    batches = list(stream)
    assert [len(rows.paths) for rows in batches] == [4096, 904]
    assert list(stream.classes) == ["x", "y"]
    assert batches[1].scores[-1].tolist() == [0.5, 0.25]
    assert batches[1].decided[-1].tolist() == [True, False]
    assert [len(rows.paths) for rows in stream] == [4096, 904]  # as often as it is asked
    table = tmp_path / "p.csv"
    table.write_text('image_path,x,"y ""z"""\n"a, b.jpg",0.5,0.25\n', encoding="utf-8-sig")
    (rows,) = stream_scores(table)
    assert rows.paths == ["a, b.jpg"]
    assert rows.decided.tolist() == [[True, False]]
    assert rows.scores.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("p.jsonl", "", "is empty: it holds no predictions"),
        ("p.jsonl", LINE + "{", "line 2 is not JSON"),
        ("p.jsonl", LINE + LINE.replace('"y"', '"z"'), "line 2 .'a'. has other classes"),
        ("p.jsonl", LINE.replace("0.25", "NaN"), "every number finite"),
        ("p.csv", "name,x\na,0.5\n", "not a table of predictions"),
        ("p.csv", "image_path,x,y\na,much,1\n", "row 2: could not convert"),
        ("p.csv", "image_path,x,y\na,0.5\n", "row 2 has 2 fields, expected 3"),
        ("p.csv", "image_path,x,x\na,0.5,0.5\n", "p.csv"),
        ("p.txt", "a", "holds no scores"),
    ],
)
def test_what_is_damaged_is_one_line_that_names_file_and_place(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(CdulEdgeError, match=told) as raised:
        list(stream_scores(file))
    assert "\n" not in str(raised.value)
