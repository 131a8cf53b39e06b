"""The documentation tells the truth: its commands run, its links lead somewhere."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from command_reference import PAGE as COMMAND_PAGE
from command_reference import reference
from doc_commands import SHORT, blocks, commands, table_rows
from forked_command import run_forked
from paths import ROOT
from preset_table import PAGE as MODELS_PAGE
from preset_table import with_table

import fieldsmith
from fieldsmith.cli import COMMANDS, cli
from fieldsmith.plugins import load
from fieldsmith.recipes import preset_names, read_preset
from fieldsmith.settings import Settings, resolve

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")])

# What stands in place of files that the README speaks of and does not show.
UNSEEN = {
    "unseen.jsonl": json.dumps(
        {
            "id": "9",
            "text": "Rash was seen after velmol.",
            "record": {"chemicals": ["velmol"], "diseases": ["Rash"], "relations": []},
        }
    ),
    "gold.jsonl": json.dumps(
        {"id": "notes.txt", "text": "Aspirin caused a rash.", "record": {"diseases": ["rash"]}}
    ),
    "notes.txt": "Aspirin caused a rash.",
    "folder/one.txt": "Nausea followed brunixal.",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_command_parses(page: Path) -> None:
    in_tables = [command for rows in table_rows(page).values() for command, _written in rows]
    for program, name, *arguments in [*commands(page), *in_tables]:
        assert program == "extract"
        assert name in COMMANDS
        command = cli.get_command(cli.make_context("extract", ["plugins"]), name)
        assert command is not None
        command.make_context(name, list(arguments))  # raises for an unknown option


def links(page: Path) -> list[str]:
    return re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not [link for link in links(page) if not (page.parent / link).exists()]


@pytest.mark.parametrize("front", ["README.md", "docs/index.md"])
def test_each_page_is_two_clicks_away(front: str) -> None:
    found = {(ROOT / front).resolve()}
    for _click in range(2):
        pages = [page for page in found if page.suffix == ".md"]
        found |= {(page.parent / link).resolve() for page in pages for link in links(page)}
    assert [page for page in PAGES if page.resolve() not in found] == []


def test_there_are_commands_and_links() -> None:
    assert sum(bool(commands(page)) for page in PAGES) > len(PAGES) / 4
    assert sum(bool(links(page)) for page in PAGES) > len(PAGES) / 2


def test_the_readme_names_every_preset() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in preset_names() if f"`{name}`" not in text] == []


def test_the_makefile_has_the_targets_that_the_pages_name() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = {
        target
        for page in PAGES
        for target in re.findall(r"`?\bmake ([a-z-]+)\b", page.read_text(encoding="utf-8"))
        if re.search(rf"(^|`)make {target}\b", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {"train", "test"} <= named
    assert not [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)]


def test_the_commands_of_the_readme_run_in_order(tmp_path: Path) -> None:
    readme = ROOT / "README.md"
    for name, block in blocks(readme, "jsonl"):
        (tmp_path / name).write_text(block, encoding="utf-8")
    for name, text in UNSEEN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    ran = []
    for _program, *arguments in commands(readme):
        if {"--preset", "--model", "runs/large"} & set(arguments):
            continue  # a model of the hub: test_each_command_parses reads these
        if "--data" in arguments and arguments[0] == "train":
            arguments += SHORT
        answer = run_forked(arguments, tmp_path)
        assert answer.code == 0, f"{arguments}: {answer.errors}"
        ran.append(arguments[0])
    assert {"train", "evaluate", "predict", "plugins", "doctor"} <= set(ran)
    lines = (tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    ((_, shown),) = blocks(readme, "json")
    for line in lines:
        found = json.loads(line)
        assert set(found) - {"error"} == set(json.loads(shown))
    ((_, code),) = blocks(readme, "python")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_settings_page_has_every_setting_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", page, re.MULTILINE)
    values = {name: yaml.safe_load(default) for name, default in rows}
    defaults = dataclasses.asdict(Settings())
    assert list(values) == list(defaults)
    found = resolve("embedded", "docs", {}, values).values
    assert dataclasses.asdict(found) == defaults
    # null is no value, [] a list without items, none a choice of that name.
    empty = {name: value for name, value in defaults.items() if value is None or value == []}
    assert {name: values[name] for name in empty} == empty
    assert {name for name, value in values.items() if value is None or value == []} == set(empty)


def test_the_settings_page_explains_a_setting_as_its_source_does() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    source = (ROOT / "core" / "settings.py").read_text(encoding="utf-8")
    explained = 0
    for name in dataclasses.asdict(Settings()):
        row = re.search(rf"^\| `{name}` \|.*$", page, re.MULTILINE)
        comment = re.search(rf"^    {name}: .*?  # (.*)$", source, re.MULTILINE)
        assert row is not None
        assert comment is None or row[0].endswith(f" {comment[1]} |"), name
        explained += comment is not None
    assert explained > 20


def test_the_page_of_commands_is_that_of_the_command_line() -> None:
    page = COMMAND_PAGE.read_text(encoding="utf-8")
    assert page == reference(), "run: python tools/command_reference.py"


def test_the_page_of_models_has_every_preset_as_it_is() -> None:
    page = MODELS_PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run: python tools/preset_table.py"
    table = page.partition("## Presets")[2]
    assert [name for name in preset_names() if table.count(f"\n| `{name}` |") != 1] == []


def test_the_page_of_models_says_what_each_plugin_sets() -> None:
    """Windows, rows per step and epochs of the embedded model and of models under 0.5 B."""
    page = MODELS_PAGE.read_text(encoding="utf-8")
    for plugin in map(load, ("medical_ner", "arxiv_metadata", "news_json", "dcat_datasets")):
        row = re.search(rf"^\| {plugin.name} \|(.*?)\|(.*?)\|", page, re.MULTILINE)
        assert row is not None
        for shown, preset in zip(row.groups(), ("embedded", "smollm2-135m"), strict=True):
            values = resolve(preset, plugin.name, plugin.settings(preset), {}).values
            assert f"{values.batch_size} x {values.accumulation}, {values.epochs:g} epochs" in shown
            windows = {"sentences": "sentences", "document": "whole"}
            tokens = f"windows of {values.window_size:,} tokens"
            assert windows.get(values.window, tokens) in shown


def test_the_preset_of_the_page_of_models_can_be_used(tmp_path: Path) -> None:
    ((name, content),) = blocks(MODELS_PAGE, "yaml")
    (tmp_path / name).write_text(content, encoding="utf-8")
    preset = read_preset(str(tmp_path / name))
    values = resolve(preset, "medical_ner", {}, {}).values
    assert (values.model, values.learning_rate, values.epochs) == ("Qwen/Qwen3-4B", 2e-4, 3)


def test_the_api_pages_list_what_is_public() -> None:
    page = (ROOT / "docs" / "api.rst").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\.\. auto\w+:: fieldsmith(?:\.data)?\.([A-Za-z_]+)$", page, re.M))
    assert set(fieldsmith.__all__) <= listed
