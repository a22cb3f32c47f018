"""What a study is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from cdul_edge.clip.choices import Device
from cdul_edge.study.cells import Cell, Row, select_cells
from cdul_edge.study.data import DrawnWorld, Source
from cdul_edge.study.levels import parse_level
from cdul_edge.study.variants import (
    DEFAULT_STRATEGY,
    METHOD_VARIANTS,
    NOTHING_OBSERVED,
    MethodVariant,
    check_names,
)
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.presets import ConfigChanges, Preset, make_config
from cdul_edge_runtime.errors import CdulEdgeError

# What a variant or a cell decides; a study's settings are about the rest.
DECIDED = ("method", "method_settings", "labels", "seed")


@dataclass(frozen=True)
class StudyRequest:
    """One study.

    Attributes:
        out: the study's folder.
        data: what to label and to learn from.
        strategies: names in `STRATEGIES`, each of all pictures, or of a part: "default@with-truth",
            "default@without-truth", or "default@NAME" with a list in `subsets`.
        methods: names in `METHOD_VARIANTS` or `variants`.
        observed: levels of observed labels, as `parse_level` reads them.
        observed_methods: the methods that run at the other levels too; None is all.
        seeds: of the training runs, and of the drawn worlds.
        cross: every strategy with every method and level.
        rows: exactly these strategies, methods and levels, in place of the choices above.
        subsets: lists of training pictures by name, as `choose_pictures` takes them.
        variants: ways to learn that only this study knows, by name.
        report_classes: the classes that figures are about; None is every one. All are trained.
        curves: measure every run after each epoch, and write its checkpoint then; without, at its
            end only.
        preset: named settings of every run.
        options: settings that override those of the preset.
        jobs: runs at once, each in its own process, with `threads` each; None is cores / jobs.
        device: where CLIP and the networks run.
        keep_runs: keep the checkpoints of finished runs.
        keep_rows: keep those of these strategies, methods and levels.

    Raises:
        CdulEdgeError: unknown names, nothing to run, or an option that the study decides.
    """

    out: Path
    data: Source | DrawnWorld
    strategies: tuple[str, ...] = (DEFAULT_STRATEGY,)
    methods: tuple[str, ...] = ("fixed", "cdul")
    observed: tuple[str, ...] = (NOTHING_OBSERVED,)
    observed_methods: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = (0, 1, 2)
    cross: bool = False
    rows: tuple[Row, ...] | None = None
    subsets: Mapping[str, Path] = field(default_factory=dict)
    variants: Mapping[str, MethodVariant] = field(default_factory=dict)
    report_classes: tuple[str, ...] | None = None
    curves: bool = True
    preset: Preset | None = None
    options: ConfigChanges = field(default_factory=lambda: ConfigChanges())
    jobs: int = 1
    threads: int | None = None
    device: Device = "auto"
    keep_runs: bool = False
    keep_rows: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        for name, variant in self.variants.items():
            if name in METHOD_VARIANTS:
                raise CdulEdgeError(f"there is a method {name} already: name the variant otherwise")
            _refuse_decided(variant.options)
        self._check_names()
        if self.device not in get_args(Device):
            raise CdulEdgeError(
                f"device {self.device!r}: expected {', '.join(get_args(Device))}; to use another "
                "GPU, give --device cuda and set CUDA_VISIBLE_DEVICES to its number"
            )
        _refuse_decided(self.options)
        if not (self.strategies and self.methods and self.observed and self.seeds):
            raise CdulEdgeError("name at least one strategy, method, level and seed")
        for level in (*self.observed, *(row[2] for row in self.rows or ())):
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
        for method in dict.fromkeys((self.methods[0], *self.variants)):
            self.run_options(method, self.seeds[0])  # refuse wrong options at once

    def _check_names(self) -> None:
        asked = (
            (self.strategies, self.methods)
            if self.rows is None
            else (
                tuple(dict.fromkeys(row[0] for row in self.rows)),
                tuple(dict.fromkeys(row[1] for row in self.rows)),
            )
        )
        check_names(*asked, subsets=self.subsets, variants=self.variants)

    @property
    def cells(self) -> list[Cell]:
        """Every run of the study."""
        if self.rows is not None:
            rows = dict.fromkeys(self.rows)
            return [Cell(*row, seed) for seed in self.seeds for row in rows]
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
        variant = {**METHOD_VARIANTS, **self.variants}[method]
        changes: ConfigChanges = {
            **self.options,
            **variant.options,
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
        judged = {} if self.report_classes is None else {"report_classes": [*self.report_classes]}
        return {**self.data.to_dict(), **judged, **kept}


def _refuse_decided(options: ConfigChanges) -> None:
    decided = sorted(set(options) & set(DECIDED))
    if decided:
        raise CdulEdgeError(
            f"the study decides {', '.join(decided)} itself: name variants with --methods, and "
            "seeds with --seeds"
        )
