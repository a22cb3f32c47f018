"""Record `cdul-edge watch` on two loopback cameras that play videos: docs/watch.svg.

    python -m pip install termtosvg "setuptools<81"
    python -m scripts.record_watch --bundle BUNDLE --videos VIDEOS

It shows two of Intel's sample videos (CC BY 4.0), one camera is unplugged for three seconds, and
only three classes have a threshold: the bundle's own. The bundle of docs/watch.svg holds the
network of `benchmarks.real_deployment`: EfficientNet-Lite0, taught by 1,697 photographs of VOC 2012
with labels from cached CLIP outputs.

The cameras need GStreamer's RTSP server (`tests/fakes/rtsp_camera.py` names the packages).
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

from cdul_edge_runtime.bundle.bundle import Bundle
from cdul_edge_runtime.host.child_python import child_environment
from tests.fakes.rtsp_camera import rtsp_camera, why_no_camera

ROOT = Path(__file__).parents[1]
VIDEOS = {"door": "one-by-one-person-detection.mp4", "road": "bikes.mp4"}
WATCHED = ("bicycle", "car", "person")
SIZE, FPS = (640, 360), 12
KILLED_S, BACK_S = 12.0, 15.0  # the road's camera is unplugged for a while
SCREEN = "100x20"


def main() -> None:
    """Start the cameras, and record a terminal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--videos", type=Path, default=ROOT.parent / "shared" / "data" / "videos")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "watch.svg")
    options = parser.parse_args()
    if (reason := why_no_camera()) is not None:
        raise SystemExit(f"record_watch {reason}")
    with ExitStack() as stack:
        cameras = {
            name: stack.enter_context(
                rtsp_camera({name: options.videos / video}, size=SIZE, fps=FPS, clock=False)
            )
            for name, video in VIDEOS.items()
        }
        for seconds, change in ((KILLED_S, cameras["road"].kill), (BACK_S, cameras["road"].start)):
            timer = threading.Timer(seconds, change)
            timer.start()
            stack.callback(timer.cancel)
        thresholds = Path(stack.enter_context(tempfile.TemporaryDirectory()), "thresholds.json")
        thresholds.write_text(json.dumps(choose_thresholds(options.bundle)), encoding="utf-8")
        words = [f"{name}={camera.url(name)}" for name, camera in cameras.items()]
        words += ["--threshold", str(thresholds), "--precision", "fp32", "--device", "cpu"]
        record(options.bundle, words, options.seconds, options.out)


def choose_thresholds(bundle: Path) -> dict[str, float | None]:
    """The bundle's own for the classes that are watched, and none for the others."""
    manifest = Bundle.load(bundle).manifest
    both = zip(manifest.classes, manifest.thresholds.tolist(), strict=True)
    return {name: least if name in WATCHED else None for name, least in both}


def record(bundle: Path, words: list[str], seconds: int, out: Path) -> None:
    """Run the command in a terminal of termtosvg, and press Ctrl-C after so many seconds."""
    shown = "$ cdul-edge watch bundle/ --threshold classes.json \\\n    " + " ".join(words[:2])
    command = ["timeout", "--foreground", "--signal=INT", str(seconds)]
    command += [sys.executable, "-m", "cdul_edge.cli", "watch", str(bundle), *words]
    script = f"echo {shlex.quote(shown)}; {shlex.join(command)}"
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script + "\n")
        file.flush()
        environment = {**os.environ, **child_environment(), "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        recorder = [
            *("termtosvg", str(out), "-c", f"bash {file.name}", "-g", SCREEN),
            *("-t", "window_frame", "-m", "200", "-D", "3000"),
        ]
        # a pipe that nobody writes into: at the end of its input the recorder would end
        with subprocess.Popen(recorder, stdin=subprocess.PIPE, env=environment) as process:
            if process.wait() != 0:
                raise SystemExit("termtosvg failed: see above")
    print(f"{out}: {out.stat().st_size / 1024:.0f} KiB", file=sys.stderr)


if __name__ == "__main__":
    main()
