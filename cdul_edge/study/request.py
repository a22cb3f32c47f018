"""What a study is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from cdul_edge.clip.choices import Device
from cdul_edge.study.cells import Cell, select_cells
from cdul_edge.study.levels import parse_level
from cdul_edge.study.variants import (
    DEFAULT_STRATEGY,
    METHOD_VARIANTS,
    NOTHING_OBSERVED,
    check_names,
)
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.presets import ConfigChanges, Preset, make_config
from cdul_edge_runtime.choices import Difficult
from cdul_edge_runtime.errors import CdulEdgeError

# What a variant or a cell decides; a study's settings are about the rest.
DECIDED = ("method", "method_settings", "labels", "seed")


@dataclass(frozen=True)
class Photographs:
    """A dataset with truth.

    Attributes:
        images: pictures to learn from, as `label` takes them.
        classes: class file.
        clip: the CLIP that labels.
        pretrained: its weights.
        train_truth: what `images` show: it is reported against, and observations are drawn from it.
        val: held-out pictures.
        truth: what they show.

    Raises:
        CdulEdgeError: a file or folder that does not exist.
    """

    images: Path
    classes: Path
    clip: str
    train_truth: Path
    val: Path
    truth: Path
    pretrained: str | None = None
    difficult: Difficult = "negative"

    def __post_init__(self) -> None:
        named = (self.images, self.classes, self.train_truth, self.val, self.truth)
        missing = [str(path) for path in named if not path.exists()]
        if missing:
            raise CdulEdgeError(f"{', '.join(missing)} does not exist: check the path")

    def to_dict(self) -> dict[str, object]:
        """Plain values; paths are absolute."""
        plain: dict[str, object] = dict(vars(self))
        return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in plain.items()}


@dataclass(frozen=True)
class DrawnWorld:
    """One painted world of so many pictures per seed, labeled by the tiny CLIP.

    Raises:
        CdulEdgeError: too few pictures to learn from or to judge on.
    """

    train: int
    heldout: int

    def __post_init__(self) -> None:
        if self.train < 2 or self.heldout < 1:
            raise CdulEdgeError(
                f"a drawn world of {self.train} and {self.heldout} pictures: expected at least 2 "
                "to learn from and 1 to judge on"
            )

    def to_dict(self) -> dict[str, object]:
        """Plain values."""
        return {"drawn_world": [self.train, self.heldout]}


@dataclass(frozen=True)
class StudyRequest:
    """One study.

    Attributes:
        out: the study's folder.
        data: what to label and to learn from.
        strategies: names in `STRATEGIES`.
        methods: names in `METHOD_VARIANTS`.
        observed: levels of observed labels, as `parse_level` reads them.
        observed_methods: the methods that run at the other levels too; None is all.
        seeds: of the training runs, and of the drawn worlds.
        cross: every strategy with every method and level.
        preset: named settings of every run.
        options: settings that override those of the preset.
        jobs: runs at once, each in its own process, with `threads` each; None is cores / jobs.
        device: where CLIP and the networks run.
        keep_runs: keep the checkpoints of finished runs.

    Raises:
        CdulEdgeError: unknown names, nothing to run, or an option that the study decides.
    """

    out: Path
    data: Photographs | DrawnWorld
    strategies: tuple[str, ...] = (DEFAULT_STRATEGY,)
    methods: tuple[str, ...] = ("fixed", "cdul")
    observed: tuple[str, ...] = (NOTHING_OBSERVED,)
    observed_methods: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    cross: bool = False
    preset: Preset | None = None
    options: ConfigChanges = field(default_factory=lambda: ConfigChanges())
    jobs: int = 1
    threads: int | None = None
    device: Device = "auto"
    keep_runs: bool = False

    def __post_init__(self) -> None:
        check_names(self.strategies, self.methods)
        if self.device not in get_args(Device):
            raise CdulEdgeError(
                f"device {self.device!r}: expected {', '.join(get_args(Device))}; to use another "
                "GPU, give --device cuda and set CUDA_VISIBLE_DEVICES to its number"
            )
        decided = sorted(set(self.options) & set(DECIDED))
        if decided:
            raise CdulEdgeError(
                f"the study decides {', '.join(decided)} itself: name variants with --methods, and "
                "seeds with --seeds"
            )
        if not (self.strategies and self.methods and self.observed and self.seeds):
            raise CdulEdgeError("name at least one strategy, method, level and seed")
        for level in self.observed:
            parse_level(level)
        unknown = set(self.observed_methods or ()) - set(self.methods)
        if unknown:
            raise CdulEdgeError(
                f"--observed-methods: {', '.join(sorted(unknown))} is not among the methods of the "
                "study: name it in --methods too"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise CdulEdgeError(
                f"a seed is named twice in {', '.join(map(str, self.seeds))}: name each once"
            )
        self.run_options(self.methods[0], self.seeds[0])  # refuse wrong options at once

    @property
    def cells(self) -> list[Cell]:
        """Every run of the study."""
        return select_cells(
            self.strategies,
            self.methods,
            self.observed,
            self.seeds,
            observed_methods=self.observed_methods,
            cross=self.cross,
        )

    def run_options(self, method: str, seed: int) -> TrainConfig:
        """Settings of one run, those of its method as they were given."""
        variant = METHOD_VARIANTS[method]
        changes: ConfigChanges = {
            **self.options,
            "method": variant.method,
            "method_settings": variant.settings,
            "labels": variant.labels,
            "seed": seed,
        }
        return make_config(self.preset, **changes)

    def to_dict(self) -> dict[str, object]:
        """What every cell depends on: which cells there are may change between two calls."""
        training = make_config(self.preset, **self.options).to_dict()
        kept = {key: value for key, value in training.items() if key not in DECIDED}
        return {**self.data.to_dict(), **kept}
