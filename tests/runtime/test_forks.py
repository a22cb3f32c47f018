import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError
from tests.fakes.openvino_agreement import needs_openvino

# A thread pool of either library exists where it has two threads or more.
SCRIPT = """
import os, sys, warnings
import numpy as np
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import CdulEdgeError

warnings.simplefilter("ignore")  # Python 3.12 warns of forks beside threads
picture = np.zeros((8, 8, 3), np.uint8)
classifier = Classifier.load(sys.argv[1], device=sys.argv[3], threads=2)
if sys.argv[2] == "dropped":
    other = Classifier.load(sys.argv[1], device=sys.argv[3], threads=2)
before = classifier.predict(picture).scores
child = os.fork()
if child == 0:
    try:
        classifier.predict(picture)
    except CdulEdgeError as error:
        assert "before this process was forked" in str(error)
    else:
        sys.exit(3)
    if sys.argv[2] == "closed":
        classifier.close()
    else:
        del other
    sys.exit(7)  # the interpreter's whole end, which frees what it can
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert (classifier.predict(picture).scores == before).all()
classifier.close()
"""


@pytest.mark.parametrize("device", ["cpu", pytest.param("openvino", marks=needs_openvino)])
@pytest.mark.parametrize("how", ["closed", "dropped"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_ends_and_says_that_it_cannot_predict(bundle: Path, how: str, device: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(bundle), how, device],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_an_empty_path_is_not_the_current_folder(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle)
    with pytest.raises(CdulEdgeError, match="path of the bundle is empty"):
        Classifier.load("")
