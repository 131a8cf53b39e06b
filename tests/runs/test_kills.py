"""A command that is killed at any write, and run again, leaves what an unbroken one leaves."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command import Answer
from forked_command import run_forked
from kills import Act, Kill, kills_of, read_trace, run_to_kill, spread
from tiny_model import SPLITS, Workplace, contents, documents, without_cost, write_documents

from fieldsmith.cli import main

BY_DEFAULT = {"train": 4, "predict": 3, "export": 1, "report": 2}
"""How many kills of each command are tried by default; all of them are slow."""

PARTS = 8
"""The kills of a training are tried in so many tests, so that processes can share them."""

SETTINGS: dict[str, Any] = {
    "max_steps": 3, "batch_size": 8, "checkpoint_steps": 1, "logging_steps": 1, "patience": 0,
    "max_new_tokens": 24, "eval_documents": 1, "tag_share": 0.7, "gazetteer_share": 0.3,
    "choose_confidence": False,
}  # fmt: skip
"""An epoch has two steps: a checkpoint is inside an epoch, and a best adapter follows another."""


def killed(ended: Answer) -> bool:
    return ended.code == -9


@dataclass
class Case:
    """A command whose kills are tried.

    Attributes:
        name: of the command.
        place: the folder to run it in; what it writes is below ``made``.
        order: its arguments.
        again: its arguments after a kill, and the folder to run it in.
        before: what ``made`` holds before the command runs.
    """

    name: str
    place: Path
    order: Sequence[object]
    again: Callable[[], tuple[Sequence[object], Path]]
    before: Path | None = None
    acts: list[Act] = field(default_factory=list)
    whole: dict[str, bytes] = field(default_factory=dict)

    @property
    def made(self) -> Path:
        return self.place / "made"

    def begin(self) -> None:
        """Set up the folder that the command writes to."""
        shutil.rmtree(self.made, ignore_errors=True)
        if self.before:
            shutil.copytree(self.before, self.made)
        else:
            self.made.mkdir()

    def record(self) -> None:
        """Run the command unbroken; keep its acts and what it leaves."""
        self.begin()
        trace = self.place / "trace"
        ended = run_to_kill(self.order, self.place, below=self.made, trace=trace)
        assert ended.code == 0, ended.errors
        self.acts, self.whole = read_trace(trace), held(self.made)

    def kills(self) -> list[Kill]:
        return kills_of(self.acts)

    def try_kill(self, kill: Kill) -> None:
        """Kill the command once, run it again, and compare."""
        self.begin()
        where = f"{kill.when} act {kill.number}, {self.acts[kill.number]}"
        ended = run_to_kill(self.order, self.place, below=self.made, kill=kill)
        assert killed(ended), f"not killed {where}: {ended}"
        order, place = self.again()
        ended = run_forked(order, place)
        assert ended.code == 0, f"killed {where}: {ended.errors}"
        self.compare(where)

    def compare(self, where: str) -> None:
        found = held(self.made)
        assert found.keys() == self.whole.keys(), f"killed {where}"
        different = [name for name in found if found[name] != self.whole[name]]
        assert not different, f"killed {where}: {different}"


def held(folder: Path) -> dict[str, bytes]:
    """Return every file, but for what scoring costs, and every folder."""
    files = contents(folder)
    for name in files:
        if name.endswith("metrics.json"):
            files[name] = json.dumps(without_cost(json.loads(files[name]))).encode()
    folders = (path for path in folder.rglob("*") if path.is_dir())
    return files | {f"{path.relative_to(folder)}/": b"" for path in folders}


@pytest.fixture(scope="module")
def place(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a model, a corpus and documents, and a run: all four commands have run.

    What libraries keep in memory is then in this process, from which those that are killed are
    forked.
    """
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("kills")))
    shutil.copytree(workplace.model, folder / "model")
    (folder / "corpus").mkdir()
    for first, (split, count) in enumerate(zip(SPLITS, (4, 1, 1), strict=True)):
        made = documents(count, seed=first, first=10 * first)
        write_documents(folder / "corpus" / f"{split}.txt", made)
    with (folder / "corpus" / "train.txt").open("a") as stream:
        stream.write("\n9|t|Title.\n9|a|Text.\n9\t0\t5\tOther\tDisease\tD1\n")  # is set aside
    rows = ({"id": f"d{number}", "text": f"aspirin {number}."} for number in range(40))
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "warm").mkdir()
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    for order in (
        training(Path("warm/run")),
        ["predict", "warm/run", "in.jsonl", "--output", "warm/out.jsonl"],
        ["export", "warm/out.jsonl", "--format", "jsonl", "--output", "warm/plain.jsonl"],
        ["report", "warm/run", "--html", "warm/report.html", "--png", "warm/figures"],
    ):
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in order])
        assert not leaving.value.code
    patch.undo()
    gc.collect()
    gc.freeze()  # what is there is not looked through again in each process
    yield folder
    gc.unfreeze()


def training(run: Path) -> tuple[str | Path, ...]:
    return Workplace(Path()).order(run, **SETTINGS)


def unchanged(order: Sequence[object], place: Path) -> tuple[Sequence[object], Path]:
    return order, place


@pytest.fixture(scope="module")
def cases(place: Path) -> dict[str, Case]:
    """The commands, each recorded once."""
    made = place / "made"

    def trained_on() -> tuple[Sequence[object], Path]:
        """Resume from another folder, or begin again if nothing is there to resume."""
        if not (made / "run" / "run.json").is_file():
            return training(Path("made/run")), place
        return ["train", "--resume", made / "run"], place / "warm"

    predict = ["predict", "warm/run", "in.jsonl", "--output", "made/deep/out.jsonl"]
    export = ["export", "warm/out.jsonl", "--format", "jsonl", "--output", "made/out"]
    report = ["report", "warm/run", "--html", "made/r.html", "--png", "made/figures"]
    for name in ("out", "r.html"):  # so that there is something to replace
        (place / f"old-{name}").mkdir()
        (place / f"old-{name}" / name).write_text("old")
    found = {"train": Case("train", place, training(Path("made/run")), trained_on)}
    for order, before in (
        (predict, None),
        (export, place / "old-out"),
        (report, place / "old-r.html"),
    ):
        name = order[0]
        found[name] = Case(name, place, order, partial(unchanged, order, place), before)
    for case in found.values():
        case.record()
    return found


def test_every_file_that_is_left_was_seen_being_written(cases: dict[str, Case]) -> None:
    for case in cases.values():
        seen = {Path(act.path).name for act in case.acts}
        files = [name for name in case.whole if not name.endswith("/")]
        assert files
        assert {Path(name).name for name in files} <= seen, case.name
        assert {act.kind for act in case.acts} >= {"open", "write", "replace", "mkdir"}, case.name
    assert sum(len(case.kills()) for case in cases.values()) >= 200


@pytest.mark.parametrize("name", BY_DEFAULT)
def test_a_kill_leaves_nothing_behind(cases: dict[str, Case], name: str) -> None:
    case = cases[name]
    for kill in spread(case.kills(), BY_DEFAULT[name]):
        case.try_kill(kill)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["predict", "export", "report"])
def test_no_kill_leaves_anything_behind(cases: dict[str, Case], name: str) -> None:
    for kill in cases[name].kills():
        cases[name].try_kill(kill)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_kill_of_a_training_leaves_anything_behind(cases: dict[str, Case], part: int) -> None:
    for kill in cases["train"].kills()[part::PARTS]:
        cases["train"].try_kill(kill)


def test_a_training_may_be_killed_again_and_again(cases: dict[str, Case]) -> None:
    """Each process comes a little further than the one before it."""
    case = cases["train"]
    case.begin()
    order: Sequence[object] = case.order
    place, kills = case.place, 0
    for number in range(40, 20 * len(case.acts), 80):
        ended = run_to_kill(order, place, below=case.made, kill=Kill(number, "before"))
        if not killed(ended):
            break
        kills += 1
        order, place = case.again()
    assert kills >= 2
    assert ended.code == 0, ended.errors
    case.compare("several times")


def test_the_last_adapter_survives_a_kill_after_the_last_step(place: Path) -> None:
    """Without validation the last adapter is kept, and it is in the last checkpoint alone."""
    (place / "only").mkdir()
    shutil.copy(place / "corpus" / "train.txt", place / "only")
    order = Workplace(Path()).order(Path("made/run"), data=Path("only"), **SETTINGS)
    case = Case("train", place, order, lambda: (["train", "--resume", "made/run"], place))
    case.record()
    kill = next(number for number, act in enumerate(case.acts) if act.path == "run/adapter")
    case.try_kill(Kill(kill, "before"))


def outcome_of_a_kill(case: Case, kind: str, ending: str) -> Any:
    number = next(
        number
        for number, act in enumerate(case.acts)
        if act.kind == kind and act.path.endswith(ending)
    )
    case.begin()
    ended = run_to_kill(case.order, case.place, below=case.made, kill=Kill(number, "middle"))
    return ended, contents(case.made)


@pytest.mark.parametrize("kind", ["write", "library"])
def test_a_kill_in_the_middle_leaves_half_of_a_file(cases: dict[str, Case], kind: str) -> None:
    case = cases["train"]
    ending = "log.jsonl" if kind == "write" else "scheduler.pt"
    ended, left = outcome_of_a_kill(case, kind, ending)
    assert killed(ended)
    name, half = next((name, data) for name, data in left.items() if name.endswith(ending))
    if kind == "write":
        assert case.whole["run/log.jsonl"].startswith(half)
        assert 0 < len(half) < len(case.whole["run/log.jsonl"].splitlines()[0])
    else:
        assert "/.partial/" in name
        assert half[-22:-18] != b"PK\5\6"  # the end of an archive
