"""What plugins share: the schema beside a module, prompts of its fields, files by their format."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed_plugins import TOY, Site

import fieldsmith
from fieldsmith import (
    Document,
    Example,
    Format,
    InputError,
    Message,
    Reject,
    SourceFile,
    UnknownFormatError,
    plugins,
    read_formats,
)
from fieldsmith.errors import PluginError

NAMES = {"type": "array", "description": "Who is named.", "items": {"type": "string"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "people": {
            "description": "Everybody.",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"description": "In full."}, "of": {"$ref": "#"}},
            },
        },
        "names": {"anyOf": [NAMES, {"type": "null"}]},
    },
}


def test_the_schema_beside_a_module(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "object"}', encoding="utf-8")
    first, second = (fieldsmith.read_schema(str(tmp_path / "plugin.py")) for _ in range(2))
    assert first == {"type": "object"}
    assert first is not second
    with pytest.raises(InputError, match=r"schema\.json"):
        fieldsmith.read_schema(str(tmp_path / "other" / "plugin.py"))


def test_fields_are_described_with_what_is_inside_of_them() -> None:
    assert fieldsmith.describe_fields(SCHEMA).split("\n") == [
        "- title",
        "- people (list): Everybody.",
        "  - name: In full.",
        "  - of",
        "- names (list): Who is named.",
    ]


def test_fields_are_asked_for_in_a_line() -> None:
    assert fieldsmith.ask_for_fields(Document("1", "{text}"), SCHEMA) == [
        Message("system", "Extract as JSON: title, people[]{name, of{…}}, names[]"),
        Message("user", "{text}"),
    ]


def lines(file: SourceFile) -> Iterator[Example | Reject]:
    for line in fieldsmith.read_text(file.path).splitlines():
        if line == "broken":
            raise InputError(f"{file.path}: broken")
        yield Example(Document(f"{file.name}:{line}", line), split=file.split)


FORMATS = (
    Format("lines", lambda file: file.head.startswith(b"a"), lines),
    Format("nothing", lambda file: file.first_line == b"nothing", lambda file: ()),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "test").mkdir(parents=True)
    texts = {
        "one.txt": b"\xef\xbb\xbf \n a\r\nb",
        "test/two.txt": b"a\nbroken\na",
        "three.txt": b"nothing\n",
        "zebra.bin": b"\0",
        "README.txt": b"about",
        "LICENSE": b"mine",
        "notes.md": b"about",
        "license plates.txt": b"a",
    }
    for name, data in texts.items():
        (folder / name).write_bytes(data)
    return folder


def test_each_file_is_read_by_the_first_format_that_matches(folder: Path) -> None:
    found = list(read_formats(folder, FORMATS))
    examples = [row for row in found if isinstance(row, Example)]
    rejects = [row for row in found if isinstance(row, Reject)]
    assert [(row.document.id, row.split) for row in examples] == [
        ("license plates.txt:a", None),
        ("one.txt: ", None),
        ("one.txt: a", None),
        ("one.txt:b", None),
        ("test/two.txt:a", "test"),
    ]
    broken, unknown = rejects
    assert broken == Reject(str(folder / "test/two.txt"), "", "broken", "test/two.txt")
    assert unknown.place == str(folder / "zebra.bin")
    assert "in no format that the plugin reads (lines, nothing)" in unknown.reason


def test_what_is_about_the_data_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fieldsmith")
    for _time in range(2):
        list(read_formats(folder, FORMATS))
    names = "LICENSE, README.txt, notes.md"
    assert caplog.messages == [f"{folder}: 3 files about the data passed over: {names}"]


def test_files_are_read_one_by_one_in_the_order_asked_for(folder: Path) -> None:
    rows = read_formats(folder, FORMATS, sort_key=lambda file: file.path.name != "two.txt")
    first = next(rows)
    assert isinstance(first, Example)
    assert first.document.id == "test/two.txt:a"
    (folder / "one.txt").write_bytes(b"a changed")
    assert "one.txt:a changed" in [row.document.id for row in rows if isinstance(row, Example)]


def test_a_single_file_is_refused_at_once(folder: Path) -> None:
    assert len(list(read_formats(folder / "one.txt", FORMATS))) == 3
    with pytest.raises(UnknownFormatError, match=r"zebra\.bin: in no format"):
        read_formats(folder / "zebra.bin", FORMATS)
    with pytest.raises(InputError, match="broken"):
        list(read_formats(folder / "test/two.txt", FORMATS))
    with pytest.raises(InputError, match="no such file"):
        read_formats(folder / "none", FORMATS)


BRIEF = """

@fieldsmith.hookimpl
def extract_brief_prompt(document, schema):
    return [Message("user", f"Loud: {document.text}")]
"""

WRAPPER = """
import fieldsmith


@fieldsmith.hookimpl(wrapper=True)
def extract_brief_prompt(document, schema):
    messages = yield
    return [fieldsmith.Message("system", "Be quick."), *messages]
"""


def test_the_brief_prompt_is_the_plugins_own_or_the_usual_one(here: Site) -> None:
    document = Document("one", "NOW")
    here.install("toy")
    usual = plugins.load("toy")
    assert usual.brief_prompt(document) == usual.prompt(document)
    here.install("quick", WRAPPER)
    assert plugins.load("toy", ["quick"]).brief_prompt(document) == usual.prompt(document)
    here.install("short", TOY + BRIEF)
    assert plugins.load("short").brief_prompt(document) == [Message("user", "Loud: NOW")]
    system, user = plugins.load("short", ["quick"]).brief_prompt(document)
    assert (system.content, user.content) == ("Be quick.", "Loud: NOW")


def test_a_brief_prompt_that_is_none_names_its_hook(here: Site) -> None:
    here.install("none", TOY + BRIEF.replace("return [Message", "return; [Message"))
    with pytest.raises(PluginError, match="extract_brief_prompt returned"):
        plugins.load("none").brief_prompt(Document("one", "NOW"))
