"""What trackers leave in a run folder, where their own settings do not lead elsewhere."""

from __future__ import annotations

TENSORBOARD = "tensorboard"
MLFLOW = "mlruns"
TRACKIO = "trackio"

# Patterns as `FolderKind` takes them. Weights & Biases adds the folder `wandb` itself.
LOGS = (
    "tracking.*.json",
    f"{TENSORBOARD}/events.out.tfevents.*",
    f"{MLFLOW}/mlflow.db*",
    f"{MLFLOW}/artifacts/**",
    "wandb/offline-run-*/**",
    "wandb/run-*/**",
    "wandb/latest-run",
    "wandb/debug*.log",
    f"{TRACKIO}/*.db*",
    f"{TRACKIO}/*.lock",
    f"{TRACKIO}/*.parquet",
    f"{TRACKIO}/media/**",
)
