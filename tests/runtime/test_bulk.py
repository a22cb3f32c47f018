from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cdul_edge_runtime.bulk import predict_files
from cdul_edge_runtime.classifier import Classifier
from cdul_edge_runtime.errors import ImageError
from cdul_edge_runtime.pictures.images import find_images
from tests.fakes.strange_exif import exif_with_minus_one_over_zero


def test_order_is_kept_and_a_fault_shifts_nothing(bundle: Path, tmp_path: Path) -> None:
    paths = []
    for n in range(7):
        path = tmp_path / f"{n}.png"
        if n in (0, 3):
            path.write_bytes(b"broken")
        else:
            Image.fromarray(np.full((8, 8, 3), 30 * n, np.uint8)).save(path)
        paths.append(str(path))
    with Classifier.load(bundle) as classifier:
        for batch_size in (1, 2, 7, 50):
            outcomes = list(predict_files(classifier, paths, batch_size=batch_size))
            assert [path for path, _ in outcomes] == paths
            for n, (name, outcome) in enumerate(outcomes):
                if n in (0, 3):
                    assert isinstance(outcome, ImageError)
                else:
                    assert not isinstance(outcome, ImageError)
                    assert np.allclose(outcome.scores, classifier.predict(name).scores, atol=1e-6)


def test_it_reads_no_further_ahead_than_two_batches(bundle: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield str(picture)

    with Classifier.load(bundle) as classifier:
        stream = predict_files(classifier, endless(), batch_size=3)  # type: ignore[arg-type]
        next(stream)
        assert taken == 6
        stream.close()  # type: ignore[attr-defined]


def test_a_batch_of_faults_alone_never_reaches_the_network(bundle: Path) -> None:
    with Classifier.load(bundle) as classifier:
        outcomes = list(predict_files(classifier, ["/nope/1", "/nope/2"]))
    assert all(isinstance(outcome, ImageError) for _, outcome in outcomes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_one_strange_file_costs_no_other_picture(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    red = Image.new("RGB", (8, 8), (255, 0, 0))
    red.save(folder / "exif.jpg", exif=exif_with_minus_one_over_zero())
    red.save(folder / "sound.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "endless.jpg").symlink_to("/dev/zero")
    with (folder / "sparse.jpg").open("wb") as sparse:
        sparse.truncate(3 << 30)
    names = find_images(folder).paths
    assert names == ("endless.jpg", "exif.jpg", "pipe.jpg", "sound.jpg", "sparse.jpg")
    with Classifier.load(bundle) as classifier:
        paths = [str(folder / name) for name in names]
        found = [outcome for _, outcome in predict_files(classifier, paths)]
    assert [isinstance(outcome, ImageError) for outcome in found] == [
        True,
        False,
        True,
        False,
        True,
    ]
    exif_scores, sound_scores = (found[n].scores for n in (1, 3))  # type: ignore[union-attr]
    assert exif_scores.tolist() == sound_scores.tolist()
