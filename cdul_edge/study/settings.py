"""What a study is asked for, and whether its folder holds the same one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from cdul_edge import __version__
from cdul_edge.study.cells import Cell, select_cells
from cdul_edge.study.variants import (
    DEFAULT_STRATEGY,
    METHOD_VARIANTS,
    NOTHING_OBSERVED,
    check_names,
)
from cdul_edge.training.config import TrainConfig
from cdul_edge.training.data.observed import parse_simulation
from cdul_edge.training.presets import Preset, make_config
from cdul_edge_runtime.errors import CdulEdgeError
from cdul_edge_runtime.host.files import read_json, write_json
from cdul_edge_runtime.metrics.truth_formats import Difficult

FORMAT = 1
RECORD = "study.json"
# What a variant or a cell decides; a study's settings are about the rest.
_DECIDED = ("method", "method_settings", "labels", "seed")


@dataclass(frozen=True)
class Photographs:
    """A dataset with truth.

    Attributes:
        images, classes, clip, pretrained: as `label` takes them.
        train_truth: what `images` show: it is reported against, and observations are drawn from it.
        val, truth: held-out pictures, and what they show.
    """

    images: Path
    classes: Path
    clip: str
    train_truth: Path
    val: Path
    truth: Path
    pretrained: str | None = None
    difficult: Difficult = "negative"

    def to_dict(self) -> dict[str, Any]:
        """Plain values; paths are absolute."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in plain.items()}


@dataclass(frozen=True)
class DrawnWorld:
    """One painted world a seed, labelled by the tiny CLIP."""

    train: int
    heldout: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"drawn_world": [self.train, self.heldout]}


@dataclass(frozen=True)
class StudySettings:
    """One study.

    Attributes:
        out: the study's folder.
        data: what to label and to learn from.
        strategies, methods: names in `STRATEGIES` and `METHOD_VARIANTS`.
        observed: "none", a share such as "10%", or "single-positive".
        observed_methods: the methods that run at the other levels too; None is all.
        seeds: of the training runs, and of the drawn worlds.
        cross: every strategy with every method and level.
        preset, options: settings of every run, as `make_config` takes them.
        jobs: runs at once, a process each; `threads` of a process.
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
    options: Mapping[str, Any] = field(default_factory=dict)
    jobs: int = 1
    threads: int | None = None
    device: str = "auto"
    keep_runs: bool = False

    def __post_init__(self) -> None:
        check_names(self.strategies, self.methods)
        decided = sorted(set(self.options) & set(_DECIDED))
        if decided:
            raise CdulEdgeError(
                f"the study decides {', '.join(decided)} itself: name variants with --methods, and "
                "seeds with --seeds"
            )
        if not (self.strategies and self.methods and self.observed and self.seeds):
            raise CdulEdgeError("name at least one strategy, method, level and seed")
        for level in self.observed:
            if level != NOTHING_OBSERVED:
                parse_simulation(level)
        strange = set(self.observed_methods or ()) - set(self.methods)
        if strange:
            raise CdulEdgeError(
                f"--observed-methods: {', '.join(sorted(strange))} is not among the methods of the "
                "study: name it in --methods too"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise CdulEdgeError(f"a seed comes twice in {', '.join(map(str, self.seeds))}")
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
        return make_config(self.preset, **{**self.options, **METHOD_VARIANTS[method], "seed": seed})

    def to_dict(self) -> dict[str, Any]:
        """What every cell depends on: which cells there are may change between two calls."""
        training = make_config(self.preset, **self.options).to_dict()
        kept = {key: value for key, value in training.items() if key not in _DECIDED}
        return {**self.data.to_dict(), **kept}


def settle_folder(settings: StudySettings) -> None:
    """Begin a study in its folder, or go on with the one that is there.

    Raises:
        CdulEdgeError: the folder holds something else, or a study of other settings.
    """
    out, wanted = settings.out, settings.to_dict()
    record = out / RECORD
    if record.is_file():
        found = read_json(record)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise CdulEdgeError(
                f"{record} is not of format {FORMAT}: use the program that made it, or choose "
                "another --out"
            )
        stored = found["settings"]
        different = [
            f"{key} {stored.get(key)} (now {wanted.get(key)})"
            for key in {**stored, **wanted}
            if stored.get(key) != wanted.get(key)
        ]
        if different:
            raise CdulEdgeError(
                f"{out} holds a study of other settings: {', '.join(different)}: choose another "
                "--out"
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CdulEdgeError(f"{out} exists and holds no study: choose another --out")
    about = {"format": FORMAT, "program": "cdul-edge", "version": __version__}
    write_json(record, {**about, "settings": wanted})


def parse_run_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` texts to settings of a run, each of its own type.

    Raises:
        CdulEdgeError: no such setting, or a value of another type.
    """
    known = {one.name: one.default for one in fields(TrainConfig) if one.name not in _DECIDED}
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and value) or name not in known:
            raise CdulEdgeError(
                f"--train {pair!r}: expected NAME=VALUE of {', '.join(known)} (what a method has "
                "belongs to its variant)"
            )
        options[name] = _parse(name, value, known[name])
    return options


def _parse(name: str, value: str, default: Any) -> Any:
    if isinstance(default, str):
        return value
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[value.lower()]
        return float(value) if isinstance(default, float) else int(value)
    except (ValueError, KeyError) as error:
        kind = "true or false" if isinstance(default, bool) else "a number"
        raise CdulEdgeError(f"--train {name}={value}: expected {kind}") from error
