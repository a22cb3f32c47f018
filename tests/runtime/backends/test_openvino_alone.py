"""The tests of OpenVINO, in a process that no signal of another test reaches."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.alone import run_alone
from tests.fakes.openvino_agreement import needs_openvino

pytestmark = needs_openvino


def test_the_tests_of_openvino_pass_in_a_process_of_their_own() -> None:
    run_alone(str(Path(__file__).with_name("openvino")))
