"""The element of examples/gstreamer, run by gst-launch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VIDEO = ROOT.parent / "shared/data/videos/bottle-detection.mp4"
Launch = Callable[[str, Path], subprocess.CompletedProcess[str]]


def why_not() -> str | None:
    """Why the element cannot run here."""
    if shutil.which("gst-launch-1.0") is None:
        return "gst-launch-1.0 is not installed (Debian: gstreamer1.0-tools)"
    if subprocess.run(["gst-inspect-1.0", "python"], capture_output=True).returncode:
        return "no loader of Python plugins (Debian: gstreamer1.0-python3-plugin-loader)"
    loaded = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
    ).stdout.split()
    if loaded != [str(number) for number in sys.version_info[:2]]:
        return f"GStreamer loads Python {'.'.join(loaded)}, which is not the tests' version"
    return None


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    installed = [path for path in sys.path if Path(path).name == "site-packages"]
    environment = {
        **os.environ,
        "GST_PLUGIN_PATH": str(ROOT / "examples/gstreamer"),
        "GST_REGISTRY": str(tmp_path_factory.mktemp("gst") / "registry.bin"),
        "LC_ALL": "C.UTF-8",  # else GStreamer cannot read the names of some folders
        "PYTHONPATH": ":".join([str(ROOT / "runtime"), *installed]),
    }

    def run(pipeline: str, bundle: Path) -> subprocess.CompletedProcess[str]:
        words = [word.format(bundle=bundle, video=VIDEO) for word in pipeline.split()]
        command = ["gst-launch-1.0", "-m", "--no-position", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    return run


def messages(output: str, name: str) -> list[dict[str, str]]:
    """Fields of the element's messages of this name, in order."""
    found = re.findall(rf"cduledge-{name}, (.*);", output)
    pair = re.compile(r"([\w-]+)=\(\w+\)(<.*?>|[^,]+)")
    return [dict(pair.findall(fields)) for fields in found]


@pytest.mark.parametrize("format", ["RGB", "BGR"])
def test_red_is_seen_in_padded_rows_of_both_orders(
    launch: Launch, bundle: Path, format: str
) -> None:
    done = launch(
        "videotestsrc pattern=red num-buffers=10 ! "
        f"video/x-raw,format={format},width=33,height=17,framerate=10/1 ! "
        "cduledge bundle={bundle} precision=fp32 rate=5 appear=0.2 frames=true ! fakesink",
        bundle,
    )
    assert done.returncode == 0, done.stderr
    # rows of 99 bytes take 100: without the padding left out, blue and green would mix in
    (appeared,) = messages(done.stdout, "appeared")
    assert (appeared["label"], appeared["running-time"]) == ("red", "200000000")
    assert round(float(appeared["score"]), 3) == 0.982
    frames = messages(done.stdout, "frame")
    assert [frame["running-time"] for frame in frames] == [
        str(number * 200_000_000) for number in range(5)
    ]
    assert frames[-1]["labels"] == "< red >"
    (gone,) = messages(done.stdout, "gone")  # the end of the stream is the end of its labels
    assert (gone["label"], gone["duration"]) == ("red", "800000000")


def test_labels_go_downstream_in_front_of_their_picture(launch: Launch, bundle: Path) -> None:
    done = launch(
        "-v videotestsrc pattern=red num-buffers=2 ! video/x-raw,format=RGB ! "
        "cduledge bundle={bundle} frames=true ! fakesink silent=false",
        bundle,
    )
    seen = re.findall(r"last-message = (chain|event [^\n]*cduledge-frame)", done.stdout)
    assert [what.partition(" ")[0] for what in seen] == ["event", "chain"] * 2


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ("", "cduledge needs a bundle: set bundle=FOLDER"),
        ("bundle=/nowhere", "/nowhere is not a folder"),
        ("bundle={bundle} leave=-1", "smoothing: enter is 0.0 and leave is -1.0"),
        ("bundle={bundle} precision=int4", "int4"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(
    launch: Launch, bundle: Path, properties: str, message: str
) -> None:
    done = launch(
        f"videotestsrc num-buffers=1 ! videoconvert ! cduledge {properties} ! fakesink", bundle
    )
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR: from")]
    assert message in line
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not VIDEO.exists(), reason="../shared/data/videos is not there")
def test_a_real_video_goes_through(launch: Launch, bundle: Path) -> None:
    done = launch(
        "filesrc location={video} ! decodebin ! videoconvert ! identity eos-after=30 ! "
        "cduledge bundle={bundle} frames=true ! fakesink",
        bundle,
    )
    assert done.returncode == 0, done.stderr
    assert len(messages(done.stdout, "frame")) >= 29
