"""The command line's option for trackers."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class TrackerChoice(str, Enum):
    """A `TrackerName`; typer takes no list of literals."""

    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb"
    TRACKIO = "trackio"


Log = Annotated[
    list[TrackerChoice] | None,
    typer.Option(
        help="Also log the run with this library, in the run folder unless the library's own "
        "environment variables say otherwise. Repeat it for more. Each is installed with the "
        "extra of its name.",
        rich_help_panel="Reporting",
        show_default=False,
    ),
]
