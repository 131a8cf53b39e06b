"""MLflow: a file store in the run folder, or the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import PROJECT, Held, RunDescription, Table

FOLDER = "mlruns"
"""Where the file store of a run is, below its folder."""

_ID = "fieldsmith.id"
_TABLES = "mlflow.loggedArtifacts"
"""A tag that lists the artefacts which MLflow shows as tables."""

_NOT_IN_NAMES = re.compile(r"[^\w.\- :]")
_PARAMETERS = 100
"""So many parameters at most are taken at once."""


class MLflow:
    """Writes a run of MLflow that is found again by a tag with the id of ours."""

    def __init__(self, run: RunDescription) -> None:
        # A server that does not answer is given up in a minute, and not after many.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri is None:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = (run.folder.absolute() / FOLDER).as_uri()
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        self._id = self._found(run) or self._created(run)
        self._held = Held(self._stored())
        self._tables: dict[str, dict[str, str]] = {}

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add the numbers of a step that is not there yet."""
        self._write(step, self._held.later(step, _named(numbers)))

    def score(self, step: int, scores: Mapping[str, float]) -> None:
        """Add scores that are not there yet."""
        self._write(step, self._held.changed(step, _named(scores)))

    def add_table(self, step: int, table: Table) -> None:
        """Write the table as an artefact."""
        file = f"{table.name}.json"
        content = {"columns": list(table.columns), "data": [list(row) for row in table.rows]}
        self._client.log_dict(self._id, content, file)
        self._tables[file] = {"path": file, "type": "table"}
        self._client.set_tag(self._id, _TABLES, json.dumps(list(self._tables.values())))

    def add_file(self, file: Path) -> None:
        """Copy the file to the artefacts."""
        self._client.log_artifact(self._id, str(file))

    def finish(self, *, failed: bool) -> None:
        """Set the state of the run."""
        self._client.set_terminated(self._id, "FAILED" if failed else "FINISHED")

    def _found(self, run: RunDescription) -> str | None:
        """Return MLflow's id of a run that was begun before."""
        experiment = self._client.get_experiment_by_name(_experiment())
        if experiment is None:
            return None
        found = self._client.search_runs(
            [experiment.experiment_id], filter_string=f"tags.`{_ID}` = '{run.id}'"
        )
        if not found:
            return None
        self._client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)

    def _created(self, run: RunDescription) -> str:
        from mlflow.entities import Param

        name = _experiment()
        experiment = self._client.get_experiment_by_name(name)
        number = experiment.experiment_id if experiment else self._client.create_experiment(name)
        made = self._client.create_run(number, run_name=run.name, tags={_ID: run.id})
        given = [
            Param(_name(key), value if isinstance(value, str) else json.dumps(value))
            for key, value in run.settings.items()
        ]
        for first in range(0, len(given), _PARAMETERS):
            self._client.log_batch(made.info.run_id, params=given[first : first + _PARAMETERS])
        return str(made.info.run_id)

    def _stored(self) -> dict[str, tuple[int, float]]:
        names = self._client.get_run(self._id).data.metrics
        histories = {name: self._client.get_metric_history(self._id, name) for name in names}
        return {
            name: max((each.step, each.timestamp, each.value) for each in history)[::2]
            for name, history in histories.items()
        }

    def _write(self, step: int, numbers: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        if numbers:
            now = int(time.time() * 1000)
            metrics = [Metric(name, value, now, step) for name, value in numbers.items()]
            self._client.log_batch(self._id, metrics=metrics)


def _experiment() -> str:
    return os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)


def _name(name: str) -> str:
    """Return a name as MLflow takes it.

    A slash would be a folder of the file store, where ``score`` is a file beside ``score/f1``.
    """
    return _NOT_IN_NAMES.sub("_", name.replace("/", "."))[:250]


def _named(numbers: Mapping[str, float]) -> dict[str, Any]:
    return {_name(name): value for name, value in numbers.items()}
