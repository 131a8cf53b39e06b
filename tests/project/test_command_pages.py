"""Every command of a page of the documentation runs, in order, in a folder with the files it names.

Small stand-ins take the place of what a page names: a tiny model that of a large one, a server of
this machine that of one elsewhere, two processes that of many GPUs. Trainings are short.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doc_commands import commands
from page_commands import PageCommands, Words, run_python, write_shown_files
from paths import ROOT


@dataclass(frozen=True)
class Page:
    """What the commands of a page find.

    Attributes:
        runs: names of runs, and the fixtures that they are copies of.
        before: commands without which the page has no beginning.
        needs: fixtures that return ``Words``.
        words: further ones.
        programs: files of the page that run after its commands.
    """

    runs: Mapping[str, str] = field(default_factory=dict)
    before: Sequence[str] = ()
    needs: Sequence[str] = ()
    words: Words = field(default_factory=dict)
    programs: Sequence[str] = ()


_TAGGED = {"runs/first": "tagged"}
_TWO = {"runs/first": "tagged", "runs/second": "tagged"}
_NAMED = {"NAME": "medical_ner"}
_ENGINES = ("llama_cpp", "vllm")

PAGES: Mapping[str, Page] = {
    "docs/ability.md": Page(_TAGGED),
    "docs/audit.md": Page(),
    "docs/cases.md": Page(_TAGGED, needs=("shown_cases",)),
    "docs/documents.md": Page({"RUN": "tagged"}),
    "docs/engines.md": Page(
        {"runs/first": "served_run", "runs/bc5cdr": "served_run"},
        needs=(*_ENGINES, "store", "ray_cluster"),
    ),
    "docs/fetch.md": Page(needs=("sites",)),
    "docs/gpus.md": Page(words=_NAMED),
    "docs/how-to/four-gpus.md": Page(),
    "docs/how-to/one-gpu.md": Page(),
    "docs/how-to/jsonl.md": Page(needs=("more_rows",)),
    "docs/how-to/other-trainers.md": Page(needs=("more_conversations",)),
    "docs/how-to/pdf.md": Page(
        {"RUN": "tagged"}, needs=("more_papers",), programs=("table.py", "mentions.py")
    ),
    "docs/how-to/pydantic.md": Page(needs=("new_adverts",)),
    "docs/how-to/teacher.md": Page(needs=("teacher",)),
    "docs/how-to/vllm.md": Page({"runs/large": "served_run"}, needs=_ENGINES),
    "docs/index.md": Page(),
    "docs/label.md": Page(needs=("teacher",)),
    "docs/many-devices.md": Page(
        {"RUN": "tagged"},
        needs=("main_address",),
        words={**_NAMED, "sequence_parallel=4": "sequence_parallel=2"},
    ),
    "docs/measurements.md": Page(),
    "docs/merge.md": Page({"runs/first": "served_run"}, needs=_ENGINES),
    "docs/models.md": Page(needs=("gguf_model",)),
    "docs/next.md": Page(_TAGGED),
    "docs/numbers.md": Page(_TWO),
    "docs/plan.md": Page(_TAGGED),
    "docs/plugins.md": Page(needs=("own_plugins",)),
    "docs/push.md": Page(
        {"runs/first": "served_run"},
        before=["merge runs/first --output models/first --gguf q8_0 --no-score"],
        needs=("hub",),
    ),
    "docs/report.md": Page(
        _TWO,
        before=[
            "evaluate runs/first",
            "evaluate runs/second --again 'a copy of the other run'",
            "evaluate runs/second --data unseen.txt",
        ],
    ),
    "docs/review.md": Page(
        before=[
            "review labels.jsonl --plugin medical_ner --export brat --output from-brat",
            "review labels.jsonl --plugin medical_ner --reviewer ann",
            "review labels.jsonl --plugin medical_ner --reviewer bob",
        ]
    ),
    "docs/run-folder.md": Page({"runs/first": "unfinished"}, words={"200": 8}),
    "docs/serve.md": Page(
        {"runs/first": "served_run"},
        before=[
            "train --plugin arxiv_metadata --output runs/papers",
            "train --plugin news_json --output runs/news",
            "train --plugin medical_ner --plugin news_json --output runs/together",
        ],
        needs=("llama_cpp",),
    ),
    "docs/several-domains.md": Page(),
    "docs/start.md": Page(),
    "docs/test-set.md": Page(),
    "docs/trackers.md": Page(needs=("trackers",)),
    "docs/zero-shot.md": Page(),
    "plugins/arxiv_metadata/README.md": Page({"RUN": "tagged"}, needs=("sites",)),
    "plugins/dcat_datasets/README.md": Page(
        before=[
            "train --plugin dcat_datasets --output runs/first",
            "predict runs/first pairs/ --output predictions.jsonl",
        ]
    ),
    "plugins/medical_ner/README.md": Page(),
    "README.md": Page(needs=("llama_cpp", "served_base")),
    "plugins/news_json/README.md": Page(
        before=[
            "train --plugin news_json --output runs/first",
            "predict runs/first html/ --output predictions.jsonl",
        ],
        needs=("sites",),
    ),
}

ELSEWHERE: Mapping[str, Sequence[str]] = {
    "tests/authoring/test_third_party.py": ("docs/tutorial.md", "docs/how-to/own-fields.md"),
    "tests/project/test_how_to.py": ("docs/how-to/from-nothing.md",),
    "tests/project/test_notebook.py": (
        "docs/from-documents.md",
        "docs/notebooks/arxiv_metadata.md",
        "docs/notebooks/dcat_datasets.md",
        "docs/notebooks/medical_ner.md",
        "docs/notebooks/news_json.md",
    ),
}
"""The pages that other tests run."""

NOT_RUN: Mapping[tuple[str, str], str] = {
    ("docs/ability.md", "extract evaluate runs/first --ability original"): "downloads public data",
    ("docs/models.md", "extract base smollm2"): "downloads a model from a package index",
}
"""Commands that no test can run, and why."""


def pages_with_commands() -> list[str]:
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    return sorted(str(page.relative_to(ROOT)) for page in found if commands(page))


def test_each_page_with_commands_is_run_by_one_test() -> None:
    run = [*PAGES, *(page for pages in ELSEWHERE.values() for page in pages)]
    assert sorted(run) == pages_with_commands()
    assert [test for test in ELSEWHERE if not (ROOT / test).is_file()] == []


def test_what_is_not_run_is_still_there() -> None:
    for page, command in NOT_RUN:
        assert page in PAGES
        assert shlex.split(command) in commands(ROOT / page)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_run_in_order(
    name: str, place: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    page, path = PAGES[name], ROOT / name
    write_shown_files(path)
    for target, fixture in page.runs.items():
        shutil.copytree(request.getfixturevalue(fixture), place / target)
    words = dict(page.words)
    for need in page.needs:
        words |= request.getfixturevalue(need)
    page_run = PageCommands(words, tmp_path)
    for line in page.before:
        page_run.run(shlex.split(line))
    not_run = [shlex.split(command) for at, command in NOT_RUN if at == name]
    for command in commands(path):
        if command not in not_run:
            page_run.run(command[1:])
    page_run.finish()
    for file in page.programs:
        run_python(file)
