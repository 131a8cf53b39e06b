"""Paths in a run are as they were given, name no home folder, and are found from anywhere."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import Answer, Command
from tiny_model import Workplace, contents, documents, info, write_documents

from fieldsmith.runs.paths import GivenPaths, places_of, stored_path, without_home

USER = "alice-of-the-tests"

CAUSAL: dict[str, Any] = {
    "prefix_lm": False, "tagging_weight": 0, "gazetteer": False, "prompt": "brief",
    "window": "sentences", "max_length": 400, "max_steps": 1, "eval_documents": 1,
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with model and corpus, in which commands run."""
    folder = tmp_path / "home" / USER
    shutil.copytree(workplace.model, folder / "work" / "model")
    (folder / "work" / "corpus").mkdir()
    for first, split in enumerate(("train", "dev", "test")):
        made = documents(2, seed=first, first=10 * first)
        write_documents(folder / "work" / "corpus" / f"{split}.txt", made)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder / "work")
    return folder


def train(command: Command, place: Path, run: Path, **settings: Any) -> Answer:
    answer = command(*Workplace(place).order(run, **{**CAUSAL, **settings}))
    assert answer.code == 0, answer.errors
    return answer


def named(folder: Path) -> list[str]:
    """Return the files that name the user."""
    return [name for name, held in contents(folder).items() if USER.encode() in held]


def test_a_run_in_the_home_folder_does_not_name_it(home: Path, command: Command) -> None:
    work = home / "work"
    (work / "corpus" / "bad.txt").write_text(
        "1|t|A title.\n1|a|Text.\n1\t0\t9\tother\tDisease\tD\n"
    )
    answer = command(
        *Workplace(work).order(work / "run", **CAUSAL | {"checkpoint_steps": 1, "max_steps": 2})
    )
    assert answer.code == 0, answer.errors
    known = info(work / "run")
    assert known["data"]["source"] == "~/work/corpus"
    assert known["base_model"]["name"] == known["settings"]["model"]["value"] == "~/work/model"
    assert known["counts"]["documents"]["set_aside"] == 1
    assert (work / "run" / "adapter" / "grammar.lark").is_file()
    card = (work / "run" / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "Path('~/work/model').expanduser()" in card

    (work / "in").mkdir()
    (work / "in" / "bad.jsonl").write_text('{"id": "1", "text": "Aspirin."}\n{"id": 2, "text"\n')
    (work / "in" / "worse.txt").write_bytes(b"\xff\xfe\x00")
    made = work / "made"
    for order in (
        ["predict", work / "run", work / "in", "--output", made / "predictions.jsonl"],
        ["report", work / "run", "--html", made / "report.html"],
        ["export", made / "predictions.jsonl", "--format", "jsonl", "--output", made / "o.jsonl"],
    ):
        answer = command(*order)
        assert answer.code == 0, answer.errors
    report = command("report", work / "run", "--json")
    assert report.code == 0
    assert USER not in report.output
    assert not named(work / "run")
    assert not named(made)


def test_a_relative_run_is_found_from_anywhere_and_after_a_move(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(command, Path(), Path("runs/first"))
    known = info(Path("runs/first"))
    assert known["data"]["source"] == "corpus"
    assert known["base_model"]["name"] == known["settings"]["model"]["value"] == "model"
    assert known["paths"] == {"corpus": "../../corpus", "model": "../../model"}
    assert not named(Path("runs/first"))

    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    answer = command("evaluate", home / "work" / "runs" / "first", "--split", "validation")
    assert answer.code == 0, answer.errors

    # Moved, it is still found from where it was made.
    shutil.move(home / "work" / "runs" / "first", elsewhere / "first")
    monkeypatch.chdir(home / "work")
    answer = command("evaluate", "../elsewhere/first", "--split", "validation")
    assert answer.code == 0, answer.errors

    # From elsewhere it is not, and one line says where it was looked for and what to do.
    monkeypatch.chdir(elsewhere)
    said = error_of(command("evaluate", "first"))
    assert f"its data is looked for at {home}/corpus and at {elsewhere}/corpus" in said
    assert "data.source into first/run.json" in said
    said = error_of(command("predict", "first", home / "work" / "corpus" / "test.txt"))
    assert f"its base model is looked for at {home}/model and at {elsewhere}/model" in said
    assert "settings.model.value into first/run.json" in said


def error_of(answer: Answer) -> str:
    """Return the one line that a command ended with."""
    assert (answer.code, answer.errors.count("\n")) == (1, 1), answer.errors
    return answer.errors


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that is a link to another one, and the working directory is in it."""
    real, home = tmp_path / "disk" / "bob", tmp_path / "home" / "bob"
    (real / "work").mkdir(parents=True)
    home.parent.mkdir()
    home.symlink_to(real)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "work")
    return home


def test_only_the_home_folder_is_replaced(homes: Path) -> None:
    real = Path(os.path.realpath(homes))
    for folder in (homes, real):
        assert without_home(f"{folder}/a.txt:3: bad") == "~/a.txt:3: bad"
        assert without_home([{"a": f"see {folder}."}]) == [{"a": "see ~."}]
        assert without_home(f"file://{folder}/a") == "file://~/a"
        for kept in (f"{folder}by/a", f"/mnt{folder}/a", f"{folder}.bak/a", f"{folder}-2"):
            assert without_home(kept) == kept
    assert without_home(7) == 7


def test_paths_are_stored_as_they_are_given(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kept in ("data", "./data", "../data", "/srv/data", "org/model"):
        assert stored_path(kept) == kept
    assert stored_path(f"{homes}/data") == "~/data"
    assert stored_path("../../bob/data") == "~/data"  # out of the home folder and in again
    monkeypatch.chdir("/")
    assert stored_path(str(homes)[1:] + "/data") == "~/data"


@pytest.mark.parametrize("home", ["/", "", "relative"])
def test_no_home_folder_replaces_nothing(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    assert without_home("/a/b") == "/a/b"
    assert stored_path("/a/b") == "/a/b"


def test_the_way_from_a_run_to_its_data_names_no_home_folder(homes: Path) -> None:
    outside = GivenPaths.of(["data"], Path("/srv/runs/x"))
    assert (list(outside.names.values()), outside.from_run) == (["data"], {})
    inside = GivenPaths.of(["data"], Path("runs/x"))
    assert inside.from_run == {"data": "../../data"}
    places = places_of("data", Path("runs/x"), inside.from_run)
    assert places == [os.path.abspath("data")]
