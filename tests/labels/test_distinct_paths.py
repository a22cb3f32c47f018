from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np

from cdul_edge.labels.distinct_paths import DistinctPaths


def find_twice(pieces: Sequence[Sequence[str]], per_pass: int) -> str | None:
    paths = DistinctPaths(per_pass)
    with closing(paths):
        for piece in pieces:
            paths.add(piece)
        return paths.find_twice(lambda: iter(pieces))


def test_a_path_that_comes_twice_is_found_in_whatever_pass() -> None:
    pieces = [[f"{part}/{row}.jpg" for row in range(100)] for part in range(5)]
    for per_pass in (1000, 7):
        assert find_twice(pieces, per_pass) is None
        assert find_twice([*pieces, ["new", "3/42.jpg"]], per_pass) == "3/42.jpg"
    assert find_twice([], 7) is None


def test_paths_with_equal_hashes_are_compared_themselves() -> None:
    class Alike(str):
        def __hash__(self) -> int:
            return -(2**63)

    looks = 0

    def again() -> Iterator[list[str]]:
        nonlocal looks
        looks += 1
        yield [Alike("a"), Alike("b")]

    with closing(DistinctPaths()) as paths:
        paths.add([Alike("a"), Alike("b")])
        assert paths.find_twice(again) is None
    assert looks == 1
    assert np.iinfo(np.int64).min == hash(Alike("a"))
