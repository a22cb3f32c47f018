"""Options of the benchmarks that are made of rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measured_rows.benchmark import Benchmark
from benchmarks.measured_rows.command import read_request
from benchmarks.measured_rows.result_file import Finding
from benchmarks.measured_rows.row import Row
from benchmarks.peers.row import Setting as PeersSetting
from benchmarks.peers.rows import BENCHMARK as PEERS
from benchmarks.streams.row import Setting as StreamsSetting
from benchmarks.streams.rows import BENCHMARK as STREAMS

WORK = Path("work").absolute()
BOTH = pytest.mark.parametrize("benchmark", [PEERS, STREAMS], ids=lambda one: one.name)


@BOTH
def test_a_trial_never_overwrites_the_figures(
    benchmark: Benchmark[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_request(benchmark, WORK, ["--quick"])
    assert "name another file with --out" in capsys.readouterr().err
    assert read_request(benchmark, WORK, ["--quick", "--out", "trial.json"]).setting.quick


def test_without_options_each_measures_every_row_as_its_figures_were() -> None:
    peers, streams = read_request(PEERS, WORK, []), read_request(STREAMS, WORK, [])
    assert peers.setting == PeersSetting(rounds=5, threads=2, work=WORK)
    assert streams.setting == StreamsSetting(rounds=3, soak_s=1200, work=WORK)
    assert peers.setting.allowed_s(peers.limit_s) == 120
    assert streams.setting.allowed_s(streams.limit_s) == 1500
    assert (peers.only, peers.out) == ((), PEERS.file)


@BOTH
def test_the_options_of_a_setting_give_it_again(benchmark: Benchmark[Finding]) -> None:
    own = ["--threads", "3"] if benchmark is PEERS else ["--soak", "60"]
    words = ["--rounds", "7", "--quick", *own]
    setting = read_request(benchmark, WORK, [*words, "--out", "trial.json"]).setting
    assert setting.words() == words
    assert "OMP_WAIT_POLICY" not in setting.environment({"OMP_WAIT_POLICY": "PASSIVE"})


def test_each_side_has_as_many_threads_and_none_a_network() -> None:
    found = PeersSetting(rounds=1, threads=3, work=WORK).environment({"OMP_NUM_THREADS": "1"})
    assert (found["OMP_NUM_THREADS"], found["HF_HUB_OFFLINE"]) == ("3", "1")


@pytest.mark.parametrize(
    ("benchmark", "words"),
    [(PEERS, "--rounds 0"), (PEERS, "--threads none"), (PEERS, "--limit nan"),
     (STREAMS, "--rounds -1"), (STREAMS, "--soak 0"), (STREAMS, "--limit inf")],
)  # fmt: skip
def test_a_number_that_measures_nothing_is_refused(
    benchmark: Benchmark[Finding], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        read_request(benchmark, WORK, words.split())
    assert f"argument {words.split()[0]}: invalid" in capsys.readouterr().err


def test_what_is_not_installed_is_said_with_its_command() -> None:
    both = {"no_such_peer": "no-such-peer", "nor_this": "nor-this", "numpy": "numpy"}
    assert Row("a", "A", "a:a", needs=both).what_is_missing() == (
        "no-such-peer and nor-this are not installed (pip install no-such-peer nor-this)"
    )
    assert Row("a", "A", "a:a", needs={"numpy": "numpy"}).what_is_missing() == ""
