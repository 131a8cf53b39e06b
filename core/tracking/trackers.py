"""The trackers that a run reports to. One that fails is left out; it never ends a training."""

from __future__ import annotations

import importlib.util
import math
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import SettingsError, did_you_mean
from ..files import write_json
from ..parallel.processes import is_main_process
from ..progress import say
from ..runs.folder import Run
from ..runs.reading import read_object
from ..settings import TRACKERS
from .tracker import RunDescription, Table, Tracker

_CLASSES: Mapping[str, str] = {
    "tensorboard": "TensorBoard",
    "wandb": "WeightsAndBiases",
    "mlflow": "MLflow",
    "trackio": "Trackio",
}
"""The class of each tracker, in the module of its name. The library has that name, too, and so has
the extra that installs it."""

FILE = "tracking.json"
"""The file of a run that holds its id."""

_LOGIN = re.compile(r"://[^/\s@]+@")
_TOKEN = re.compile(r"(?i)(\w*(?:key|token|secret|password)\w*=)[^\s&'\")]+")

_STORED = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "pattern": "^[0-9a-f]{16}$"}},
}


def require_trackers(names: Sequence[str]) -> None:
    """Check that there are trackers of these names, and that they are installed.

    Raises:
        SettingsError: there is none, or it is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise SettingsError(f"report_to: {name!r}: {did_you_mean(name, TRACKERS)}")
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:  # a folder of the name is no module
            raise SettingsError(
                f"report_to: {name} is not installed; pip install 'fieldsmith[{name}]'"
            )


class Trackers:
    """Passes on what is known of a run to each of its trackers.

    Args:
        opened: by name.

    Attributes:
        failed: names of those that failed and get nothing any more.
    """

    def __init__(self, opened: Mapping[str, Tracker], failed: Sequence[str] = ()) -> None:
        self._opened = dict(opened)
        self.failed = list(failed)

    def log(self, line: Mapping[str, Any]) -> None:
        """Pass on the numbers of a line of log.jsonl."""
        step, numbers = int(line["step"]), _numbers(line)
        self._tell(lambda tracker: tracker.log(step, numbers))

    def score(self, step: int, scores: Mapping[str, float]) -> None:
        """Pass on scores of metrics.json."""
        self._tell(lambda tracker: tracker.score(step, scores))

    def add_table(self, step: int, table: Table) -> None:
        """Pass on a table."""
        self._tell(lambda tracker: tracker.add_table(step, table))

    def add_file(self, file: Path) -> None:
        """Pass on a file."""
        self._tell(lambda tracker: tracker.add_file(file))

    def finish(self, *, failed: bool) -> None:
        """Close them."""
        self._tell(lambda tracker: tracker.finish(failed=failed))
        self._opened.clear()

    def _tell(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._opened.items()):
            try:
                act(tracker)
            except Exception as error:
                del self._opened[name]
                self.failed.append(name)
                _give_up(name, error)


NO_TRACKERS = Trackers({})


@contextmanager
def open_trackers(run: Run, names: Sequence[str]) -> Iterator[Trackers]:
    """Open the trackers of a run and pass on its log, of which each takes what it lacks.

    Only the first process of several does; the others get none.

    Args:
        run: the run folder.
        names: of the trackers.
    """
    if not names or not is_main_process():
        yield NO_TRACKERS
        return
    described, opened = _described(run), dict[str, Tracker]()
    for name in dict.fromkeys(names):
        try:
            kind = getattr(import_module(f".{name}", __package__), _CLASSES[name])
            opened[name] = kind(described)
        except Exception as error:
            _give_up(name, error)
    trackers = Trackers(opened, [name for name in names if name not in opened])
    try:
        for line in run.log():
            trackers.log(line)
        yield trackers
    except BaseException:
        trackers.finish(failed=True)
        raise
    trackers.finish(failed=False)


def _give_up(name: str, error: Exception) -> None:
    """Say, once for each tracker, that it failed."""
    reason = _without_secrets(" ".join(str(error).split()))[:200] or type(error).__name__
    say(
        f"tracker {name}: {reason}; nothing more is sent to it. What the run holds can be sent "
        f"later: extract track"
    )


def _without_secrets(message: str) -> str:
    """Return a message without logins and tokens in the addresses that it names.

    >>> _without_secrets("http://me:pw@host:8000/?write_token=1 does not answer")
    'http://host:8000/?write_token=… does not answer'
    """
    return _TOKEN.sub(r"\1…", _LOGIN.sub("://", message))


def _described(run: Run) -> RunDescription:
    info = run.info()
    settings = {name: entry["value"] for name, entry in info["settings"].items()}
    return RunDescription(
        run.folder,
        _id_of(run),
        {
            "plugin": " + ".join(run.domains()) or info["plugin"]["name"],
            "preset": info["preset"],
            **settings,
            **{key: info[key] for key in ("seed", "plan") if info.get(key)},
            "base_model": info.get("base_model", {}).get("name"),
            "device": info.get("device", {}).get("name"),
            "documents": info.get("counts", {}).get("documents"),
            "windows": info.get("counts", {}).get("windows"),
        },
    )


def _id_of(run: Run) -> str:
    """Return the id of a run, which is made when it is first asked for."""
    file = run.folder / FILE
    if not file.is_file():
        write_json(file, {"id": secrets.token_hex(8)})
    return str(read_object(file, _STORED)["id"])


def _numbers(line: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a line; those that are not finite are null there."""
    return {
        name: float(value)
        for name, value in line.items()
        if name != "step" and value is not None and math.isfinite(value)
    }
