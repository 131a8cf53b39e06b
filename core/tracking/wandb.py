"""Weights & Biases: files in the run folder, uploaded only where the user has said so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import PROJECT, RunDescription, Table

_NOTHING_OF_THE_MACHINE: Mapping[str, Any] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "save_code": False,
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,  # the command line and the user's name among it
    "x_disable_stats": True,
    "x_save_requirements": False,
}
_WAIT = 30.0
"""Seconds to wait for the server as a run is opened."""


class WeightsAndBiases:
    """Writes a run of W&B under the id of ours, so that one that was interrupted goes on."""

    def __init__(self, run: RunDescription) -> None:
        # The setting "silent" is of the run alone, and W&B speaks before it begins, too.
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        mode = os.environ.get("WANDB_MODE", "offline")
        own = None if os.environ.get("WANDB_DIR") else run.folder
        self._stale = sorted(own.glob(f"wandb/offline-run-*-{run.id}")) if own else []
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            id=run.id,
            name=os.environ.get("WANDB_NAME", run.name),
            config=dict(run.settings),
            dir=own,
            mode=mode,  # type: ignore[arg-type]  # a mode that there is not is W&B's to refuse
            resume="allow",
            settings=wandb.Settings(init_timeout=_WAIT, **_NOTHING_OF_THE_MACHINE),
        )
        # One of the log's links leads out of the run folder, which no run may have.
        for file in Path(self._run.dir).parent.glob("logs/*"):
            if file.is_symlink():
                file.unlink()
        for name in ("score", "score/*"):
            self._run.define_metric(name, step_metric="epoch")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Add the numbers to those of the step; W&B leaves out steps that a server has already."""
        if step >= self._run.step:
            self._run.log(dict(numbers), step=step)

    def score(self, step: int, scores: Mapping[str, float]) -> None:
        """Put the scores into the summary of the run."""
        self._run.summary.update(dict(scores))

    def add_table(self, step: int, table: Table) -> None:
        """Add the table."""
        import wandb

        rows = [list(row) for row in table.rows]
        self._run.log(
            {table.name: wandb.Table(columns=list(table.columns), data=rows)},
            step=max(step, self._run.step),
        )

    def add_file(self, file: Path) -> None:
        """Add the file as an artefact of its own."""
        import wandb

        artifact = wandb.Artifact(f"{file.stem}-{self._run.id}", type="report")
        artifact.add_file(str(file))
        self._run.log_artifact(artifact)

    def finish(self, *, failed: bool) -> None:
        """Close the run; what was written offline before is dropped, since all is there again."""
        import wandb

        self._run.finish(exit_code=int(failed))
        wandb.teardown()  # the process that writes
        for folder in self._stale:
            shutil.rmtree(folder, ignore_errors=True)
