"""`cdul-edge watch` on drawn videos: rows, files, and what it refuses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdul_edge.cli import app
from cdul_edge_runtime.streams.outputs.json_lines import JsonLinesFile
from cdul_edge_runtime.streams.row_json import to_json
from tests.fakes.mqtt_broker import Subscriber, mqtt_broker
from tests.fakes.video_files import plain, write_video

Json = dict[str, Any]
RED, BLACK, GREEN = plain(255, 0, 0), plain(0, 0, 0), plain(0, 255, 0)


def watch(*words: object) -> Result:
    return CliRunner().invoke(app, ["watch", *map(str, words)])


def rows(result: Result, code: int = 0) -> list[Json]:
    assert result.exit_code == code, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def complaint(result: Result) -> str:
    """The last line on stderr of a command that refused."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def seconds(later: str, earlier: str) -> float:
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    difference = datetime.strptime(later, form) - datetime.strptime(earlier, form)
    return round(difference.total_seconds(), 3)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """2 s at 10 fps: red from the fifth frame to the fourteenth."""
    return write_video(tmp_path / "red.mp4", [BLACK] * 4 + [RED] * 10 + [BLACK] * 6, fps=10)


def test_a_label_appears_and_goes_at_the_frames_that_show_it(bundle: Path, video: Path) -> None:
    result = watch(bundle, f"door={video}", "--no-smooth", "--every", "frames")
    found = rows(result)
    frames = [row for row in found if row["type"] == "prediction"]
    assert [row["labels"] for row in frames] == [[]] * 4 + [["red"]] * 10 + [[]] * 6
    assert [row["frame"] for row in frames] == list(range(1, 21))
    (appeared,) = (row for row in found if row["type"] == "appeared")
    (gone,) = (row for row in found if row["type"] == "gone")
    assert (appeared["since"], appeared["time"]) == (frames[4]["time"], frames[4]["time"])
    assert (gone["until"], gone["duration_s"]) == (frames[13]["time"], 0.9)
    assert appeared["id"] == gone["id"]
    assert [row["state"] for row in found if row["type"] == "status"] == ["connected", "ended"]
    assert {row["stream"] for row in found} == {"door"}
    assert result.stderr.splitlines()[1:] == [
        "door: connected (mpeg4, 64x64, 10 fps)",
        "door: ended",
    ]


def test_only_what_changes_is_written_unless_frames_are_asked_for(
    bundle: Path, video: Path
) -> None:
    found = rows(watch(bundle, video))
    assert [row["type"] for row in found] == ["status", "appeared", "gone", "status"]
    assert {row["stream"] for row in found} == {"red"}  # the file's name
    slower = rows(watch(bundle, video, "--appear", "0.5", "--average", "0", "--gone", "0"))
    assert seconds(slower[1]["time"], slower[1]["since"]) == 0.5
    assert rows(watch(bundle, video, "--threshold", "1"))[1]["type"] == "status"


def test_top_keeps_the_highest_scores_of_a_frame(bundle: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "green.mp4", [GREEN] * 3, fps=10)
    found = rows(watch(bundle, video, "--every", "frames", "--top", "1", "--rate", "5"))
    frames = [row for row in found if row["type"] == "prediction"]
    assert [list(row["scores"]) for row in frames] == [["green"], ["green"]]
    assert [list(row["raw"]) for row in frames] == [["green"], ["green"]]


def test_rows_go_to_a_file_too_and_are_appended(bundle: Path, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    first = rows(watch(bundle, video, "--out", out))
    assert [json.loads(line) for line in out.read_text().splitlines()] == first
    second = watch(bundle, video, "--out", out, "--no-json")
    assert second.stdout == ""
    assert len(out.read_text().splitlines()) == 2 * len(first)
    watch(bundle, video, "--out", out, "--force")
    assert len(out.read_text().splitlines()) == len(first)


def test_a_file_that_another_watch_writes_is_refused_in_one_line(
    bundle: Path, video: Path, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    other = JsonLinesFile(out, to_json, print)
    assert f"another `cdul-edge watch` writes to {out}" in complaint(
        watch(bundle, video, "--out", out)
    )
    other.close()


def test_a_full_disk_ends_nothing_and_is_told_at_the_end(bundle: Path, video: Path) -> None:
    result = watch(bundle, video, "--out", "/dev/full")
    assert [row["type"] for row in rows(result, 2)] == ["status", "appeared", "gone", "status"]
    assert complaint(result) == "cdul-edge: 4 rows or pictures could not be written: see above"
    assert sum("/dev/full cannot be written" in line for line in result.stderr.splitlines()) == 1


def test_a_picture_of_each_appearance_is_kept(bundle: Path, video: Path, tmp_path: Path) -> None:
    rows(watch(bundle, f"front door={video}", "--clip-events", tmp_path / "clips"))
    (name,) = (path.name for path in (tmp_path / "clips").iterdir())
    assert name.endswith("_front-door_red_front-door-1.jpg")


def test_a_broker_hears_it_and_its_password_is_nowhere(
    bundle: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("paho.mqtt")
    with mqtt_broker(tmp_path) as broker, Subscriber(broker) as listener:
        monkeypatch.setenv("CDUL_EDGE_MQTT", broker.url("me:sesame@"))
        result = watch(bundle, f"door={video}", "--out", tmp_path / "rows.jsonl")
        assert rows(result)
        listener.wait_for("cdul-edge/status", "offline")
        assert listener.seen["cdul-edge/door/red"] == "OFF"
        # blue's threshold is never reached: it has no sensor
        assert sum(name.endswith("/config") for name in listener.seen) == 2
    everything = result.output + result.stderr + (tmp_path / "rows.jsonl").read_text()
    assert "sesame" not in everything + str(listener.seen)


def test_a_camera_that_refuses_is_given_up_without_showing_its_password(
    bundle: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    out = tmp_path / "rows.jsonl"
    address = "door=rtsp://me:sesame@127.0.0.1:1/a?token=sesame"
    result = watch(bundle, address, "--no-reconnect", "--out", out)
    assert complaint(result) == "cdul-edge: no source could be opened: see above"
    (row,) = rows(result, 2)
    assert (row["state"], row["retry_s"]) == ("failed", None)
    assert "sesame" not in result.output + result.stderr + out.read_text()


def test_one_missing_file_does_not_end_the_others(bundle: Path, video: Path) -> None:
    result = watch(bundle, video, "door=missing.mp4")
    states = {(row["stream"], row["state"]) for row in rows(result) if row["type"] == "status"}
    assert states == {("red", "connected"), ("red", "ended"), ("door", "failed")}
    assert result.stderr.splitlines()[-1] == "cdul-edge: door could not be opened: see above"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a=x.mp4", "a=y.mp4"], "two sources are named a"),
        (["ftp://host/x"], "ftp:// cannot be read"),
        (["missing.mp4"], "no source could be opened"),
        (["x.mp4", "--average", "1", "--no-smooth"], "cannot be used with --no-smooth"),
        (["x.mp4", "--gone", "-1"], "--gone -1: expected seconds, 0 or more"),
        (["x.mp4", "--appear", "nan"], "--appear nan: expected seconds, 0 or more"),
        (["x.mp4", "--rate", "0"], "rate"),
        (["x.mp4", "--timeout", "inf"], "timeout"),
        (["x.mp4", "--stats", "-1"], "stats"),
        (["x.mp4", "--mqtt", "http://me:sesame@h"], "the address of the broker is not mqtt"),
        (["x.mp4", "--threshold", "2"], "threshold"),
        (["x.mp4", "--out", "."], "is a folder: name a file in it"),
        (["x.mp4", "--stats", "1e300"], "at most 1e+06 seconds"),
        *[
            (["x.mp4", "--out", "a/b.jsonl", "--out-size-mib", size], "expected a size above 0")
            for size in ("0", "nan", "inf")
        ],
        (["x.mp4", "--out", "a/b.jsonl", "--out-keep", str(10**20)], "and 0 to 1000 files"),
        *[
            (["x.mp4", "--clip-events", "c", "--clip-size-mib", size], "expected more than 0")
            for size in ("0", "nan", "inf")
        ],
    ],
)
def test_what_cannot_be_done_is_one_line(
    bundle: Path, words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    result = watch(bundle, *words)
    assert message in complaint(result)
    assert "sesame" not in result.output


def test_a_bundle_that_is_none_and_no_source_at_all_are_refused(
    video: Path, tmp_path: Path, bundle: Path
) -> None:
    assert "not a bundle" in complaint(watch(tmp_path, video))
    result = watch(bundle)
    assert result.exit_code == 2
    assert "Missing argument" in result.output
