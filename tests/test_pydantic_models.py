"""A pydantic model as a plugin's schema: from its class to trained predictions and back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from command import Command
from doc_commands import blocks
from installed_plugins import Site
from paths import ROOT
from pydantic import ValidationError

import fieldsmith
from fieldsmith import Counts, Document, Example, Prediction
from fieldsmith.schema.navigation import is_verbatim
from fieldsmith.schema.pointers import leaves, value_at

PLUGIN = '''
"""Job adverts."""

{model}


@fieldsmith.hookimpl
def extract_prompt(document, schema):
    return fieldsmith.ask_for_fields(document, schema)


@fieldsmith.hookimpl
def extract_load(source):
    if source is not None:
        yield from fieldsmith.jsonl_examples(source)
        return
    for number, post in enumerate(["nurse", "baker", "welder", "clerk"] * 10):
        hours = 10 + number
        text = f"Wanted: {{post}} number {{number}}, {{hours}} hours, for good."
        record = {{"title": post, "closes": None, "hours": hours, "kind": "permanent"}}
        yield fieldsmith.Example(fieldsmith.Document(str(number), text), record)


@fieldsmith.hookimpl
def extract_metric(example, prediction, schema):
    return fieldsmith.field_counts(example, prediction, schema)
'''


EVERYTHING = r'''
"""A record with a field of every kind."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import uuid
from typing import Annotated, Literal

from pydantic import AnyUrl, BaseModel, ByteSize, Field, HttpUrl, PositiveInt, SecretStr


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


Animal = Annotated[Cat | Dog, Field(discriminator="kind")]


class Everything(BaseModel):
    title: str
    whole: int
    number: float
    flag: bool
    remark: str | None
    day: dt.date
    moment: dt.datetime
    hour: dt.time
    duration: dt.timedelta
    key: uuid.UUID
    amount: decimal.Decimal
    colour: Colour
    letter: Literal["a", "b"]
    constant: Literal["a"]
    texts: list[str]
    numbers: list[int]
    tags: set[str]
    frozen: frozenset[int]
    pair: tuple[int, str]
    many: tuple[str, ...]
    names: dict[str, str]
    authors_of: dict[str, list[Author]]
    author: Author
    reviewer: Author | None
    authors: list[Author]
    either: int | str
    someone: Cat | Author
    pet: Animal
    pets: list[Animal]
    link: HttpUrl | None
    address: AnyUrl | None
    data: bytes
    code: Annotated[str, Field(pattern=r"^\d{4}$")]
    short: Annotated[str, Field(min_length=2, max_length=5)]
    ten: Annotated[int, Field(ge=0, le=10)]
    five: Annotated[int, Field(multiple_of=5)]
    few: Annotated[list[str], Field(min_length=1, max_length=3)]
    path: pathlib.Path
    table: list[list[int]]
    host: ipaddress.IPv4Address
    secret: SecretStr
    positive: PositiveInt
    maybe: list[str] | None = None
    shade: Colour | None = None
    size: ByteSize = ByteSize(0)
    inner: Everything | None = None
'''


def documented() -> str:
    """Return the code of the docs that defines a model and its schema."""
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    section = page.partition("#### From a pydantic model")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_the_model_of_the_docs_is_checked_trained_and_read_back(site: Site, tmp_path: Path) -> None:
    site.install("adverts", PLUGIN.format(model=documented()))
    checked = site.extract("check", "adverts")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    chosen = ["--set", "max_steps=2", "--set", "eval_documents=2", "--set", "max_new_tokens=64"]
    trained = site.extract(
        "train", "--plugin", "adverts", "--output", str(tmp_path / "run"), *chosen
    )
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "a.txt").write_text("Wanted: nurse, 40 hours.", encoding="utf-8")
    answer = site.extract("predict", str(tmp_path / "run"), str(tmp_path / "a.txt"))
    assert answer.returncode == 0, answer.stderr
    record = json.loads(answer.stdout)["record"]
    names: dict[str, Any] = {}
    exec(compile(documented(), "plugins.md", "exec", dont_inherit=True), names)
    model: type[Any] = names["Advert"]
    advert: Any = Prediction(Document("a", ""), record=record).as_model(model)
    assert 1 <= advert.hours <= 60
    assert advert.kind in {"permanent", "temporary"}


@pytest.mark.slow
def test_a_model_of_every_kind_of_field_goes_from_its_file_to_predictions(
    here: Site, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is edited, and after one step of training an answer has all required fields."""
    (tmp_path / "everything.py").write_text(EVERYTHING, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    made = command("new", "every", "--from", "everything.py:Everything")
    assert (made.code, made.errors) == (0, "")
    (here.path / "fieldsmith_every").symlink_to(tmp_path / "every" / "fieldsmith_every")
    here.declare("every", "1.0", "[extract.plugins]\nevery = fieldsmith_every\n")
    short = {"max_steps": 1, "eval_documents": 1, "score_documents": 1, "max_new_tokens": 900}
    chosen = [part for key, value in short.items() for part in ("--set", f"{key}={value}")]
    trained = command("train", "--plugin", "every", "--output", "run", *chosen)
    assert trained.code == 0, trained.errors
    texts = ["Ann Oke gave aspirin to 12 patients on 2020-01-02.", "Größe: 5 µg, 😀 and \\."]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    answer = command("predict", "run", "0.txt", "1.txt")
    assert answer.code == 0, answer.errors
    monkeypatch.syspath_prepend(tmp_path)
    model: type[Any] = import_module("everything").Everything
    assert len(model.model_fields) >= 40
    for line in answer.output.splitlines():
        record = json.loads(line)["record"]
        assert record is not None, line
        assert faults(model, record) <= {"amount", "moment"}  # pydantic's own schema is wider


@pytest.mark.slow
def test_the_nested_model_of_the_how_to_keeps_the_contract_and_loses_no_value(
    here: Site, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ROOT / "docs" / "how-to" / "pydantic.md"
    for file, content in [*blocks(page, "python"), *blocks(page, "jsonl")]:
        if file:
            (tmp_path / file).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    made = command("new", "adverts", "--from", "model.py:Advert")
    assert (made.code, made.errors) == (0, "")
    (here.path / "fieldsmith_adverts").symlink_to(tmp_path / "adverts" / "fieldsmith_adverts")
    here.declare("adverts", "1.0", "[extract.plugins]\nadverts = fieldsmith_adverts\n")
    checked = command("check", "adverts")
    assert checked.code == 0, checked.output
    names: dict[str, Any] = {}
    exec(compile((tmp_path / "model.py").read_text(), "model.py", "exec", dont_inherit=True), names)
    schema = fieldsmith.schema_of(names["Advert"])
    row = json.loads((tmp_path / "adverts.jsonl").read_text(encoding="utf-8"))
    verbatim = ["/title", "/towns/0", "/towns/1", "/contacts/0/name", "/contacts/0/phones/0"]
    assert [key for key, _value in leaves(row["record"]) if is_verbatim(key, schema)] == verbatim
    assert all(value_at(key, row["record"]) in row["text"] for key in verbatim)
    document = Document("1", row["text"])
    gold = Example(document, row["record"])
    whole = Prediction(document, record=row["record"])
    advert: Any = whole.as_model(names["Advert"])
    assert advert.closes.isoformat() == "2027-03-05"
    assert Prediction(document, error="length").as_model(names["Advert"]) is None
    less = {**row["record"], "contacts": [{"name": "Ann Oke", "phones": []}]}
    counts = fieldsmith.field_counts(gold, Prediction(document, record=less), schema)
    assert (counts["contacts"], counts["contacts/phones"]) == (Counts(1, 1, 1), Counts(0, 0, 1))


def faults(model: type[Any], record: object) -> set[object]:
    """Return the fields of a record that pydantic does not read."""
    try:
        model.model_validate(record)
    except ValidationError as error:
        return {fault["loc"][0] for fault in error.errors()}
    return set()


def test_a_dataclass_has_a_schema_too_and_what_is_no_class_of_fields_has_none() -> None:
    @dataclass
    class Town:
        name: str
        people: int

    schema = fieldsmith.schema_of(Town)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "people"]
    found = Prediction(Document("a", ""), record={"name": "Ulm", "people": 9}).as_model(Town)
    assert found == Town("Ulm", 9)
    assert Prediction(Document("a", ""), error="length").as_model(Town) is None
    with pytest.raises(TypeError, match="has no schema"):
        fieldsmith.schema_of(Site.extract.__class__)
