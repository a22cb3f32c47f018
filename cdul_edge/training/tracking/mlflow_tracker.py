"""MLflow: a database in the run folder, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cdul_edge.training.tracking.places import MLFLOW
from cdul_edge.training.tracking.tracker import PROJECT, Kept, RunFacts, Status

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENDS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_MOST_PARAMS = 100  # in one call


class MlflowTracker:
    """Through `MlflowClient`, which leaves a user's own runs in the process alone."""

    place = ""
    _client: MlflowClient
    _run: str

    def start(self, facts: RunFacts, kept: Kept | None) -> Kept:
        """Open a run of the experiment that MLFLOW_EXPERIMENT_NAME names, else "cdul-edge"."""
        # Logging into a folder should ask nobody on the network.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        given, artifacts = os.environ.get("MLFLOW_TRACKING_URI"), None
        folder = facts.folder / MLFLOW
        if not given:
            folder.mkdir(exist_ok=True)
            artifacts = (folder / "artifacts").as_uri()
        uri = given or f"sqlite:///{folder / 'mlflow.db'}"
        self._client, self.place = MlflowClient(tracking_uri=uri), uri
        if kept is not None and self._goes_on(kept.id):
            self._run = kept.id
            return kept
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or PROJECT
        found = self._client.get_experiment_by_name(name)
        experiment = (
            found.experiment_id if found else self._client.create_experiment(name, artifacts)
        )
        created = self._client.create_run(experiment, run_name=facts.name, tags=dict(facts.tags))
        self._run = created.info.run_id
        self._log_settings(facts)
        return Kept(self._run)

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log metrics, the epoch as their step."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        batch = [Metric(name, value, now_ms, epoch) for name, value in metrics.items()]
        self._client.log_batch(self._run, metrics=batch)

    def end(self, status: Status, epoch: int, summary: Mapping[str, float]) -> None:
        """Log the summary as metrics of the last epoch, and end the run."""
        if summary:
            self.log(epoch, summary)
        self._client.set_terminated(self._run, _ENDS[status])

    def _goes_on(self, run: str) -> bool:
        """Whether the run is there, which is then running again; another server has not got it."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.update_run(run, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _log_settings(self, facts: RunFacts) -> None:
        from mlflow.entities import Param

        params = [Param(name, str(value)) for name, value in facts.settings.items()]
        for start in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._run, params=params[start : start + _MOST_PARAMS])
