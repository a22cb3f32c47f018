"""Training learns, resumes to the bit, and never looks at the truth."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cdul_edge.labels.pseudo_labels import PseudoLabels
from cdul_edge.training.request import DataOptions, EvaluationOptions, ObservedOptions
from cdul_edge.training.run_end import choose_score_reference
from cdul_edge.training.run_folder import load_run
from cdul_edge.training.summary import RunSummary
from cdul_edge_runtime.bundle.classes import ClassList
from cdul_edge_runtime.bundle.thresholds import hard_prevalence, prevalence_thresholds
from cdul_edge_runtime.errors import CdulEdgeError
from tests.training.conftest import Train


def read_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def results(folder: Path) -> dict[str, Any]:
    """Every value of the checkpoint and the refined labels, by name; tensors as their bytes."""
    checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
    refined = PseudoLabels.read(folder / "pseudo_labels_refined.parquet")
    return {**dict(flatten("", checkpoint)), "refined": refined.scores.tobytes()}


def flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from flatten(f"{name}/{key}", inner)
    else:
        yield name, value.numpy().tobytes() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("method", ["cdul", "fixed"])
def test_a_set_that_can_be_separated_is_learned(
    train: Train, squares: Any, tmp_path: Path, method: str
) -> None:
    evaluation = EvaluationOptions(squares.val, squares.val_truth, squares.truth)
    summary = train(
        tmp_path / "run", method=method, evaluation=evaluation, epochs=12, weights="default",
        ema_decay=0.8, learning_rate=3e-3, head_rate_multiplier=1.0, shift=0.0, color=0.0,
        flip=False,
    )  # fmt: skip
    assert summary.train is not None
    assert summary.val is not None
    assert (summary.train.map, summary.val.map) == (100.0, 100.0)
    assert summary.train.hamming == 0.0  # at the thresholds that were found without truth
    lines = read_lines(tmp_path / "run")
    assert [line["epoch"] for line in lines] == list(range(1, 13))
    assert lines[-1]["kl"] < 0.5 * lines[0]["kl"]
    assert lines[-1]["pseudo_labels"]["map"] == 100.0
    assert lines[-1]["val"]["map"] == 100.0


def test_a_run_writes_what_it_promises(train: Train, squares: Any, tmp_path: Path) -> None:
    summary = train(tmp_path / "run", data=DataOptions(cache="disk"))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "config.json", "metrics.jsonl", "checkpoint.pt", "first_epoch.pt", "summary.json",
        "pseudo_labels_refined.parquet", "score_reference.npz",
    }  # fmt: skip
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert {"network", "ema", "optimizer", "method", "rng", "epoch", "step"} <= set(checkpoint)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["settings"]["precision"] == "fp32"
    assert config["classes"] == ["red", "green", "blue"]
    refined = PseudoLabels.read(tmp_path / "run" / "pseudo_labels_refined.parquet")
    first = PseudoLabels.read(squares.labels)
    assert refined.paths == first.paths
    assert 0 < float(np.abs(refined.scores - first.scores).max()) < 0.5
    line = read_lines(tmp_path / "run")[0]
    for name in ("loss", "bce", "kl", "rate", "seconds", "images_per_second"):
        assert line[name] > 0
    assert 0 < line["label_change"] < 1
    assert summary.last_epoch.to_dict() == read_lines(tmp_path / "run")[-1]
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == summary.to_dict()
    assert RunSummary.from_dict(summary.to_dict()) == summary


def test_a_loaded_run_scores_as_its_thresholds_say(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    train(tmp_path / "run", ema_decay=0.5)
    trained = load_run(tmp_path / "run")
    assert not trained.network.training
    assert trained.pictures.absolute(3) == squares.root / "train" / "03.png"
    pixels = [
        trained.preprocess.apply(image)
        for image in map(open_picture, map(trained.pictures.absolute, range(12)))
    ]
    images = (np.stack(pixels) / 255 - trained.preprocess.mean) / trained.preprocess.std
    with torch.no_grad():
        logits = trained.network(torch.tensor(images, dtype=torch.float32).permute(0, 3, 1, 2))
    scores = torch.sigmoid(logits).numpy()
    prevalence = hard_prevalence(PseudoLabels.read(squares.labels).scores)
    expected = prevalence_thresholds(scores, prevalence)
    np.testing.assert_allclose(trained.thresholds, expected, atol=1e-5)
    assert trained.provenance["epochs"] == 3
    json.dumps(trained.provenance)
    reference = trained.score_reference
    assert reference is not None
    assert (reference.pictures, reference.seen) == (len(trained.pictures.paths), "all")
    np.testing.assert_array_equal(reference.thresholds, trained.thresholds)
    alike = reference.mean_scores, reference.prevalence
    np.testing.assert_allclose(alike[0], scores.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(alike[1], (scores >= trained.thresholds - 1e-6).mean(axis=0))


def test_drift_is_measured_against_pictures_set_aside_where_they_are_a_thousand() -> None:
    classes, half = ClassList(("red", "green")), np.full(2, 0.5, np.float32)
    logits = torch.cat([torch.full((2000, 2), -1.0), torch.full((1000, 2), 1.0)])
    made = choose_score_reference(logits, half, classes, torch.arange(2000, 3000))
    assert (made.pictures, made.seen, made.prevalence.tolist()) == (1000, "set aside", [1, 1])
    made = choose_score_reference(logits, half, classes, torch.arange(2001, 3000))
    assert (made.pictures, made.seen) == (3000, "all")
    np.testing.assert_allclose(made.prevalence, 1 / 3)


def open_picture(path: Path) -> Any:
    from cdul_edge_runtime.pictures.images import open_image

    return open_image(path)


def test_truth_changes_nothing_but_the_report(train: Train, squares: Any, tmp_path: Path) -> None:
    evaluation = EvaluationOptions(squares.val, squares.val_truth, squares.truth)
    without = train(tmp_path / "without")
    told = train(tmp_path / "with", evaluation=evaluation)
    assert results(tmp_path / "without") == results(tmp_path / "with")
    assert without.thresholds == told.thresholds
    assert told.val is not None
    assert without.val is None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"method": "fixed", "optimizer": "sgd", "gradient_clip": 1.0},
        {
            "precision": "bf16",
            "ema_decay": 0.9,
            "method_settings": {"label_warmup": 1, "freeze_after": 1.0, "match": "histogram"},
        },
        {  # the second epoch is the last with a frozen trunk
            "freeze_trunk_epochs": 2,
            "freeze_norms": True,
            "freeze_depth": 0.3,
            "weights": "default",
            "ema_decay": 0.9,
            "ema_warmup": True,
            "zoom_in": 0.3,
            "zoom_out": 0.3,
            "mixup": 0.4,
        },
        {"network": "squeezenet1_1"},  # has dropout, which draws from torch's own generator
    ],
)
def test_a_run_cut_after_an_epoch_goes_on_to_the_same_bits(
    train: Train, tmp_path: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", **settings)
    cut_after(2, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", **settings)
    monkeypatch.undo()
    assert not (tmp_path / "cut" / "summary.json").exists()
    train(tmp_path / "cut", **settings)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert [line["epoch"] for line in read_lines(tmp_path / "cut")] == [1, 2, 3]


def cut_after(epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Ctrl-C came in the middle of the next epoch."""
    from cdul_edge.training.loop import Trainer

    step = Trainer._take_step

    def interrupted(self: Trainer, *args: Any) -> Any:
        if self.epoch == epochs and self.step % self.steps_per_epoch == 1:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(Trainer, "_take_step", interrupted)


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_where_pictures_are_kept_changes_no_bit(train: Train, tmp_path: Path, cache: str) -> None:
    train(tmp_path / "auto", epochs=2)
    train(tmp_path / cache, epochs=2, data=DataOptions(cache=cache, workers=3))  # type: ignore[arg-type]
    assert results(tmp_path / cache) == results(tmp_path / "auto")


def test_the_order_of_the_classes_only_orders_the_columns(squares: Any, small: Any) -> None:
    """With equal head rows to start from, permuted labels give permuted logits."""
    from cdul_edge.training.data.dataset import locate_pictures, open_pictures
    from cdul_edge.training.loop import Trainer
    from cdul_edge.training.methods import make_method
    from cdul_edge.training.networks.network import create_network
    from tests.fakes.method_inputs import know

    labels = PseudoLabels.read(squares.labels)
    order, config = [2, 0, 1], small(epochs=2)
    found = []
    for columns in ([0, 1, 2], order):
        torch.manual_seed(0)
        network, plan = create_network(config, 3)
        network.head.weight.data.zero_()  # type: ignore[union-attr, operator]
        located = locate_pictures(labels.folder, labels.paths)
        pictures = open_pictures(
            located, plan.preprocess, DataOptions(), scratch=squares.root, remedy=""
        )
        trainer = Trainer(
            network, make_method(config, know(torch.tensor(labels.scores[:, columns]))), pictures,
            preprocess=plan.preprocess, config=config, device=torch.device("cpu"),
        )  # fmt: skip
        for _ in range(2):
            trainer.train_epoch()
        found.append(trainer.predict(pictures))
    torch.testing.assert_close(found[0][:, order], found[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("count", "batch", "steps"), [(12, 4, 3), (11, 4, 3), (3, 2, 1), (2, 9, 1)]
)
def test_no_batch_is_of_one_picture_and_none_is_left_out(
    squares: Any, small: Any, count: int, batch: int, steps: int
) -> None:
    from cdul_edge.training.data.dataset import StoredPictures
    from cdul_edge.training.loop import Trainer
    from cdul_edge.training.methods import make_method
    from cdul_edge.training.networks.network import create_network
    from tests.fakes.method_inputs import know

    config = small(batch_size=batch)
    network, plan = create_network(config, 3)
    seen: list[int] = []
    trainer = Trainer(
        network, make_method(config, know(torch.full((count, 3), 0.3))),
        StoredPictures(torch.zeros((count, 32, 32, 3), dtype=torch.uint8)),
        preprocess=plan.preprocess, config=config, device=torch.device("cpu"),
    )  # fmt: skip
    trainer.train_epoch(seen.append)
    assert (sum(seen), len(seen)) == (count, steps)
    assert min(seen) >= 2


def test_steps_that_fp16_skips_raise_no_warning_and_the_rate_goes_on(small: Any) -> None:
    """Every gradient overflows at such a loss scale: torch warns of a schedule without steps."""
    from cdul_edge.training.data.dataset import StoredPictures
    from cdul_edge.training.loop import Trainer
    from cdul_edge.training.methods import make_method
    from cdul_edge.training.networks.network import create_network
    from tests.fakes.method_inputs import know

    config = small(precision="fp16", epochs=1, rate_warmup_steps=0)
    network, plan = create_network(config, 3)
    first = network.state_dict()["head.weight"].clone()
    trainer = Trainer(
        network, make_method(config, know(torch.full((12, 3), 0.3))),
        StoredPictures(torch.zeros((12, 32, 32, 3), dtype=torch.uint8)),
        preprocess=plan.preprocess, config=config, device=torch.device("cpu"),
    )  # fmt: skip
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**100)
    trainer.train_epoch()
    assert torch.equal(network.state_dict()["head.weight"], first)
    assert trainer.step == 3
    assert trainer.schedule.get_last_lr()[0] == pytest.approx(0.0, abs=1e-12)


def test_a_loss_that_is_not_finite_ends_the_run_and_says_since_when(
    train: Train, tmp_path: Path
) -> None:
    settings = {"learning_rate": 1e12, "optimizer": "sgd", "rate_warmup_steps": 0}
    with pytest.raises(CdulEdgeError, match=r"not finite since epoch 1.*no epoch was done"):
        train(tmp_path / "at-once", **settings)
    assert not (tmp_path / "at-once" / "checkpoint.pt").exists()


def test_nan_in_a_later_epoch_keeps_the_checkpoint_before_it(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdul_edge.training.loop import Trainer

    step = Trainer._take_step

    def poison(self: Trainer, images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        if self.step == 2 * self.steps_per_epoch + 1:  # the second step of the third epoch
            next(self.network.parameters()).data.fill_(float("nan"))
        return step(self, images, indices)

    monkeypatch.setattr(Trainer, "_take_step", poison)
    with pytest.raises(
        CdulEdgeError, match=r"since epoch 3, step 2 of 3; the checkpoint of epoch 2"
    ):
        train(tmp_path / "run")
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert kept["epoch"] == 2
    assert all(bool(v.isfinite().all()) for v in kept["network"].values())


def test_settings_or_labels_of_another_run_are_refused_with_what_differs(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    train(tmp_path / "run")
    before = results(tmp_path / "run")
    with pytest.raises(CdulEdgeError, match=r"epochs 3 \(now 4\), seed 0 \(now 7\)"):
        train(tmp_path / "run", epochs=4, seed=7)
    labels = PseudoLabels.read(squares.labels)
    changed = replace(labels, scores=labels.scores * 0.9)
    changed.write(tmp_path / "changed.parquet")
    with pytest.raises(CdulEdgeError, match=r"other settings: labels [0-9a-f]{8} \(now"):
        train(tmp_path / "run", labels_path=tmp_path / "changed.parquet")
    assert results(tmp_path / "run") == before
    train(tmp_path / "run", epochs=2, force=True)
    assert len(read_lines(tmp_path / "run")) == 2


def test_a_picture_damaged_since_labelling_stops_the_run_before_it_starts(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    shutil.copytree(squares.root / "train", tmp_path / "moved")
    (tmp_path / "moved" / "07.png").write_bytes(b"")
    data = DataOptions(images=tmp_path / "moved")
    with pytest.raises(
        CdulEdgeError, match=r"07\.png is empty .*could be read when it was labeled"
    ):
        train(tmp_path / "run", data=data)
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_only_reported(train: Train, tmp_path: Path) -> None:
    first = train(tmp_path / "run")
    stamp = (tmp_path / "run" / "checkpoint.pt").stat().st_mtime_ns
    assert train(tmp_path / "run") == first
    assert (tmp_path / "run" / "checkpoint.pt").stat().st_mtime_ns == stamp


def test_bfloat16_trains_about_as_float32_does(train: Train, tmp_path: Path) -> None:
    found = [
        train(tmp_path / precision, precision=precision, epochs=2).last_epoch.bce
        for precision in ("fp32", "bf16")
    ]
    assert found[0] == pytest.approx(found[1], rel=0.02)
    assert found[0] != found[1]


def test_runs_can_share_a_folder_of_decoded_pictures(
    train: Train, squares: Any, tmp_path: Path
) -> None:
    shared = DataOptions(cache="disk", cache_folder=tmp_path / "shared")
    evaluation = EvaluationOptions(squares.val, squares.val_truth)
    train(tmp_path / "own", evaluation=evaluation)
    train(tmp_path / "first", evaluation=evaluation, data=shared)
    decoded = {file: file.stat().st_mtime_ns for file in (tmp_path / "shared").iterdir()}
    assert len(decoded) == 2  # training and held-out pictures
    train(tmp_path / "second", evaluation=evaluation, data=shared)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "shared").iterdir()} == decoded
    assert results(tmp_path / "second") == results(tmp_path / "own")


def test_thresholds_predict_as_many_pictures_as_people_saw(train: Train, tmp_path: Path) -> None:
    # red is nowhere, and green in three pictures
    rows = [f"{index:02}.png,0,{int(index < 3)}" for index in range(12)]
    file = tmp_path / "seen.csv"
    file.write_text("\n".join(["image_path,red,green", *rows]) + "\n")
    summary = train(tmp_path / "run", epochs=1, observed=ObservedOptions((file,)))
    assert summary.thresholds[0] is None
    assert summary.never_predicted == ["red"]
    refined = PseudoLabels.read(tmp_path / "run" / "pseudo_labels_refined.parquet")
    assert (refined.scores[:, 1] >= refined.thresholds[1]).sum() == 3
