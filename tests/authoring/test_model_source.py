"""A new plugin from a pydantic model: what is copied, what is made up, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command import Command
from grammars import accepts
from hypothesis import given, settings
from installed_plugins import Site
from schema_strategies import objects

from fieldsmith import Schema
from fieldsmith.authoring.metric_answers import unchangeable_fields, wrong_record
from fieldsmith.authoring.sample_records import made_up_rows
from fieldsmith.contract import checked_schema
from fieldsmith.schema.records import first_problem, write_record
from fieldsmith.toolkit import schema_of

MODEL = '''
"""Adverts of every kind of field."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import uuid
from typing import Annotated, Literal

from pydantic import BaseModel, Field, HttpUrl

VERBATIM = {"x-source": "verbatim"}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Author(BaseModel):
    name: str
    year: int | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


class Advert(BaseModel):
    title: str | None = Field(None, json_schema_extra=VERBATIM)
    names: list[Annotated[str, Field(json_schema_extra=VERBATIM)]] = []
    colour: Colour
    perhaps: Colour | None = None
    version: Literal["1"] = "1"
    author: Author
    authors: list[Author] = []
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    when: dt.date
    moment: dt.datetime | None = None
    price: float = Field(ge=0, le=10.5)
    hours: int = Field(gt=3, lt=6)
    five: Annotated[int, Field(multiple_of=5)] = 5
    below: Annotated[int, Field(lt=-7)] = -8
    prices: dict[str, int] = {}
    amount: decimal.Decimal | None = None
    either: int | str | None = None
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-\\d{4}$")]
    short: Annotated[str, Field(min_length=2, max_length=3)]
    pair: tuple[int, str]
    tags: set[str] = set()
    link: HttpUrl | None = None
    number: uuid.UUID | None = None
    flag: bool = False
    parts: list[Author | int] = Field(min_length=1, max_length=2)
    address: ipaddress.IPv4Address | None = None
    after: Advert | None = None


class Notice(BaseModel):
    title: str | None = Field(None, json_schema_extra=VERBATIM)
    hours: int | None = None
    inner: Notice | None = None


VALUE = 3


class Empty(BaseModel):
    pass
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the model's file."""
    path = tmp_path / "work"
    path.mkdir()
    (path / "adverts.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.chdir(path)
    return path


def install(site: Site, folder: Path, name: str) -> None:
    """Let a new project be seen as if it were installed."""
    (site.path / f"fieldsmith_{name}").symlink_to(folder / name / f"fieldsmith_{name}")
    site.declare(name, "1.0", f"[extract.plugins]\n{name} = fieldsmith_{name}\n")


# What is written


@pytest.mark.slow
def test_a_model_of_every_kind_of_field_becomes_a_plugin(
    site: Site, folder: Path, command: Command
) -> None:
    answer = command("new", "ads", "--from", "adverts.py:Advert")
    assert (answer.code, answer.errors) == (0, "")
    install(site, folder, "ads")
    checked = site.extract("check", "ads", "--json")
    rows = json.loads(checked.stdout)["checks"]
    assert [row for row in rows if row["state"] != "ok"] == []
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder / "ads" / "tests"],
        env={**os.environ, "PYTHONPATH": str(site.path)},
        cwd=folder / "ads",
        capture_output=True,
        check=False,
        text=True,
    )
    assert tested.returncode == 0, tested.stdout


def test_the_file_of_a_model_is_copied(folder: Path, command: Command, here: Site) -> None:
    assert command("new", "notices", "--from", "adverts:Notice").code == 0
    package = folder / "notices" / "fieldsmith_notices"
    assert sorted(path.name for path in package.iterdir()) == [
        "__init__.py", "cases.yaml", "model.py", "sample.jsonl",
    ]  # fmt: skip
    assert (package / "model.py").read_text(encoding="utf-8") == MODEL
    setup = tomllib.loads((folder / "notices/pyproject.toml").read_text(encoding="utf-8"))
    assert setup["project"]["dependencies"][1:] == ["pydantic>=2"]
    install(here, folder, "notices")
    from fieldsmith import plugins  # finds what is installed by now

    plugin = plugins.load("notices")
    assert list(plugin.schema["properties"]) == ["title", "hours", "inner"]
    assert len(list(plugin.load(None))) == 10
    assert not (folder / "__pycache__").exists()


def test_a_model_that_needs_other_files_becomes_a_schema(folder: Path, command: Command) -> None:
    package = folder / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "kinds.py").write_text('KINDS = ["a", "b"]\n', encoding="utf-8")
    (package / "models.py").write_text(
        "from .kinds import KINDS\n\nfrom adverts import Notice\n\n\nclass Ad(Notice):\n"
        "    kind: str = KINDS[0]\n",
        encoding="utf-8",
    )
    answer = command("new", "shop_ads", "--from", "shop.models:Ad")
    assert answer.code == 0, answer.errors
    assert "shop.models:Ad: its schema is written to schema.json, because" in answer.errors
    written = folder / "shop_ads" / "fieldsmith_shop_ads"
    schema = json.loads((written / "schema.json").read_text(encoding="utf-8"))
    assert list(schema["properties"]) == ["title", "hours", "inner", "kind"]
    assert not (written / "model.py").exists()


# The sample


def class_of(name: str) -> Schema:
    """Return the schema of a class of the model's file."""
    module = type(sys)("adverts")
    sys.modules["adverts"] = module
    try:
        exec(compile(MODEL, "adverts.py", "exec", dont_inherit=True), module.__dict__)
        return checked_schema(schema_of(vars(module)[name]), "a plugin")
    finally:
        del sys.modules["adverts"]


def assert_made_up(schema: Schema) -> list[dict[str, Any]]:
    rows = list(made_up_rows(schema))
    assert len({row["id"] for row in rows}) == len({row["text"] for row in rows}) == 10
    for row in rows:
        assert first_problem(row["record"], schema) is None
        assert accepts(schema, write_record(row["record"], schema), row["text"])
    return rows


def test_a_record_of_every_kind_of_field_is_made_up() -> None:
    schema = class_of("Advert")
    records = [row["record"] for row in assert_made_up(schema)]
    missing = [key for key in schema["properties"] if not any(record[key] for record in records)]
    assert missing == ["after"]  # which would hold another one
    assert any(record["title"] is None for record in records)


@settings(max_examples=30)
@given(objects(closable=True))
def test_a_record_of_any_schema_is_made_up(schema: Schema) -> None:
    assert_made_up(checked_schema(schema, "a plugin"))


def test_a_wrong_answer_is_wrong_wherever_it_can_be() -> None:
    schema = class_of("Advert")
    records = [row["record"] for row in made_up_rows(schema)]
    wrong = [wrong_record(record, schema) for record in records]
    assert [first_problem(record, schema) for record in wrong] == [None] * len(wrong)
    assert unchangeable_fields(records, schema) == {"version", "pets/kind"}


# What is refused

FAULTS = {
    "missing.py:Ad": "missing.py: there is no such file",
    "adverts.py:Advrt": "adverts.py: there is no class 'Advrt'; write adverts.py:CLASS; did you",
    "broken.py:Ad": "broken.py cannot be imported: ModuleNotFoundError: No module named 'nothere'",
    "adverts.py": "adverts.py: the class is missing; write adverts.py:CLASS; Known: Advert, Author",
    "adverts.py:VALUE": "adverts.py: VALUE is not a pydantic model, a dataclass or a TypedDict;",
    "adverts.py:Empty": "adverts.py:Empty: it has no field",
    "not.there:Ad": "not.there cannot be imported: ModuleNotFoundError: No module named 'not'",
    "rows.jsonl:Ad": "rows.jsonl: it is no Python file",
    "syntax.py:Ad": "syntax.py cannot be imported: SyntaxError: ",
    "ends.py:Ad": "ends.py cannot be imported: it ends the process (exit code 3)",
    "exits.py:Ad": "exits.py cannot be imported: SystemExit: 3 (exits.py:1)",
    "odd.py:Loop": "odd.py:Loop: the schema at /: 'required' needs a value that cannot be finite",
    "odd.py:Code": "odd.py:Code has no schema: Cannot generate a JsonSchema for ",
    "odd.py:Tags": "odd.py:Tags: its schema describes 'array'; a record is an object",
    "nopydantic.py:Ad": "No module named 'pydantic' (nopydantic.py:1); install it: pip install",
}
FILES = {
    "broken.py": "import nothere\n",
    "rows.jsonl": "{}\n",
    "syntax.py": "def f(:\n",
    "ends.py": "import os; os._exit(3)\n",
    "exits.py": "raise SystemExit(3)\n",
    "odd.py": (
        "from collections.abc import Callable\nfrom pydantic import BaseModel, RootModel\n"
        "class Loop(BaseModel):\n    inner: 'Loop'\nclass Tags(RootModel[list[str]]): pass\n"
        "class Code(BaseModel):\n    code: Callable[[int], int]\n"
    ),
    "nopydantic.py": "raise ModuleNotFoundError(\"No module named 'pydantic'\", name='pydantic')\n",
}


@pytest.mark.parametrize(
    "target",
    [
        target if number < 3 else pytest.param(target, marks=pytest.mark.slow)
        for number, target in enumerate(FAULTS)
    ],
)
def test_a_class_that_is_none_is_one_line(folder: Path, command: Command, target: str) -> None:
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    answer = command("new", "ads", "--from", target)
    assert (answer.code, answer.output) == (1, "")
    assert answer.errors.startswith("extract: error: ")
    assert FAULTS[target] in answer.errors
    assert answer.errors.count("\n") == 1
    assert not (folder / "ads").exists()
