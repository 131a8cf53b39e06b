"""Every command of docs/migrating.md runs, in order, on data in the originals' formats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command import KILLED, Moment, extract
from doc_commands import table_rows
from forked_command import run_forked
from migrated_data import dataset_pairs, medical_prompts, news_rows, papers_as_json
from paths import ROOT
from served import serving as serving_runs
from stand_in_arxiv import PAPERS, arxiv
from tiny_families import write_llama
from tiny_model import write_corpus
from web_site import WebSite, html, serving

ROWS = table_rows(ROOT / "docs" / "migrating.md")

# What is said for four GPUs, or one: a test of one process leaves it out.
_LEFT_OUT = ("--processes", "--parallel")
_SHORT = {
    "max_steps": 2,
    "eval_documents": 2,
    "score_documents": 2,
    "max_new_tokens": 24,
    "parallel": "ddp",
    "offload": "none",
    "precision": "fp32",
    "lora_rank": 4,
}
_PAGE = (
    '<!doctype html><html lang="en-IE"><head><title>Storm over Vellin</title></head><body>'
    "<h1>Storm over Vellin</h1><p>A storm tore roofs from forty houses on Monday.</p></body></html>"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a long context, whose name says what the licence of a teacher asks."""
    folder = tmp_path_factory.mktemp("tiny")
    write_corpus(folder / "corpus")
    path = folder / "meta-llama" / "Meta-Llama-3-8B-Instruct"
    write_llama(path, folder / "corpus")
    return path


def shortened(arguments: list[str], model: Path) -> list[str]:
    """Return a command with the tiny model in place of the large one, one process, few steps."""
    short: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in _LEFT_OUT:
            next(rest)
        elif argument in ("--model", "--teacher"):
            next(rest)
            short += [argument, "embedded" if argument == "--teacher" else str(model)]
        else:
            short.append(argument)
    if "--preset" in short and "--model" not in short:
        short += ["--model", str(model)]
    if short[0] == "train":
        short += [f"--set={name}={value}" for name, value in _SHORT.items()]
    if short[0] in ("audit", "train"):
        short += ["--allow-unlearnable"]  # of so few rows
    return short


@contextmanager
def prepared(project: str, folder: Path, model: Path) -> Iterator[list[str]]:
    """Write the data of a project; yield what its `extract fetch` is told besides."""
    site = WebSite()
    if "metadata-extraction" in project:
        papers_as_json(folder, 24)
    elif "MetaMine" in project:
        dataset_pairs(folder, 8)
        interrupted(folder, model)
    elif "Adapting" in project:
        news_rows(folder, 8)
        site.answers = {"/storm": html(_PAGE)}
    elif "medical" in project:
        medical_prompts(folder, 8)
    else:
        days = [f"2024-04-{day}" for day in range(19, 30)]
        site = arxiv(
            [
                replace(PAPERS[1], id=f"2404.9{number:04}", title=f"On hens {number}", day=day)
                for number, day in enumerate(days)
            ]
        )
    with serving(site) as running:
        (folder / "addresses.txt").write_text(f"{running.address}/storm\n", encoding="utf-8")
        yield ["--service", running.address, "--delay", "0"]


def interrupted(folder: Path, model: Path) -> None:
    """Leave an unfinished training, which was killed as it wrote its second checkpoint."""
    order = ["train", "--plugin", "dcat_datasets", "--data", folder / "pairs", "--model", model]
    values = {**_SHORT, "checkpoint_steps": 1, "max_steps": 3}
    chosen = [f"--set={name}={value}" for name, value in values.items()]
    run = folder / "runs" / "interrupted"
    kill = Moment("os.rename", "checkpoint-2")
    killed = extract(*order, "--allow-unlearnable", "--output", run, *chosen, kill=kill)
    assert killed.code == KILLED


@pytest.mark.parametrize(
    "project",
    [
        pytest.param(project, marks=() if "medical" in project else pytest.mark.slow)
        for project in ROWS
    ],
)
def test_the_commands_run_in_order_and_write_what_the_page_says(
    project: str, model: Path, tmp_path: Path
) -> None:
    with prepared(project, tmp_path, model) as service:
        for (_program, *arguments), written in ROWS[project]:
            if arguments[0] == "serve":
                with serving_runs(tmp_path / arguments[1]) as server:
                    assert server.ask("/health").status == 200
                continue
            more = service if arguments[0] == "fetch" else []
            answer = run_forked([*shortened(arguments, model), *more], tmp_path)
            allowed = {0, 1} if arguments[0] == "cases" else {0}  # the tiny model finds nothing
            assert answer.code in allowed, f"{arguments}: {answer.errors}"
            for name in re.findall(r"`([\w./*-]+\.[\w.]+)`", written):
                assert any(tmp_path.rglob(name)), f"{arguments}: {name}"


def test_there_are_five_projects_and_each_is_trained_and_scored() -> None:
    assert len(ROWS) == 5
    for rows in ROWS.values():
        names = [command[1] for command, _written in rows]
        assert {"train", "evaluate"} <= set(names)
