"""Whatever is wrong with an input, a setting or a path: one line that says so, and nothing left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Answer, Command, extract
from tiny_model import Trained, Workplace, contents

RECORD = {"chemicals": ["aspirin"], "diseases": [], "relations": []}
ROWS = [{"id": str(n), "text": f"aspirin {n}", "record": RECORD} for n in range(20)]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
PUBTATOR = "1|t|aspirin.\n1|a|It helped.\n1\t0\t7\taspirin\tChemical\tD1\n"
BIOC = "<?xml version='1.0'?><collection><document><id>1</id><passage><offset>0</offset>"


def on_row(number: int, line: str) -> str:
    """Return good rows, one of them replaced."""
    lines = JSONL.splitlines()
    lines[number - 1] = line
    return "\n".join(lines) + "\n"


# name of the file -> its content, what the line says
FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("data.jsonl", b"", "data.jsonl: the file is empty"),
    "empty text": ("data.txt", b"", "data.txt: "),
    "blank": ("data.jsonl", b"\n\n \n", "data.jsonl: the file is empty"),
    "truncated XML": ("data.xml", BIOC.encode(), "data.xml"),
    "XML of something else": ("data.xml", b"<list><item>aspirin</item></list>", "data.xml"),
    "UTF-16 without a mark": ("data.txt", PUBTATOR.encode("utf-16-le"), "data.txt"),
    "noise": ("data.txt", bytes(range(256)) * 9, "data.txt"),
    "noise called JSONL": ("data.jsonl", bytes(range(255, -1, -1)) * 9, "data.jsonl"),
    "noise called XML": ("data.xml", b"\x89PNG\r\n\x1a\n" + bytes(99), "data.xml"),
    "prose": ("data.txt", b"Aspirin is a drug.\n", "in no format that the plugin reads"),
    "no record": ("data.jsonl", b'{"id": "a", "text": "b"}\n', "no document to train on"),
}

# name of the file -> its content, the place of the fault, what is said of it
ONE_BAD_ROW: dict[str, tuple[str, bytes, str, str]] = {
    "broken JSON": ("data.jsonl", on_row(7, '{"id": "7", "text": ').encode(), ":7", "not JSON"),
    "a list": ("data.jsonl", on_row(7, "[1, 2]").encode(), ":7", "a JSON object is wanted"),
    "no text": ("data.jsonl", on_row(7, '{"id": "7"}').encode(), ":7", '"text" must be'),
    "deep": ("data.jsonl", on_row(7, '{"text":' + "[" * 99_999).encode(), ":7", "nested deeper"),
    "latin-1": ("data.jsonl", JSONL.replace("aspirin 6", "é").encode("latin-1"), ":7", "not UTF-8"),
    "latin-1 after good rows": (
        "data.jsonl",
        JSONL.encode() + '{"id": "é", "text": "é"}\n'.encode("latin-1"),
        ":21",
        "not UTF-8",
    ),
}
ODD_ANNOTATIONS: dict[str, tuple[str, bytes, str, str]] = {
    "a split of no name": (
        "data.jsonl",
        on_row(7, '{"id": "x", "text": "a", "split": "tset"}').encode(),
        ":7",
        "one of train, validation, test",
    ),
    "a record of no object": (
        "data.jsonl",
        on_row(7, '{"id": "x", "text": "a", "record": [1]}').encode(),
        ":7",
        "the record breaks the schema",
    ),
    "a pointer of 5,000 digits": (
        "data.jsonl",
        on_row(
            7, json.dumps({**ROWS[6], "mentions": {f"/chemicals/{'1' * 5000}": [[0, 7]]}})
        ).encode(),
        ":7",
        "mentions of something that the record does not hold",
    ),
    "an offset outside the text": (
        "data.txt",
        PUBTATOR.encode() + PUBTATOR.replace("1|", "2|").replace("1\t0\t7", "2\t90\t97").encode(),
        ":6",
        "90-97 is no span of the text",
    ),
    "a mention that is not there": (
        "data.txt",
        PUBTATOR.encode() + PUBTATOR.replace("1|", "2|").replace("1\t0\t7", "2\t1\t8").encode(),
        ":6",
        "the mention is 'aspirin', but the text at 1-8 is",
    ),
}


def only_line(answer: Answer) -> str:
    """Return the one line that an expected error prints."""
    assert answer.code == 1, answer
    assert answer.output == ""
    assert answer.errors.startswith("extract: error: "), answer.errors
    assert answer.errors.count("\n") == 1, answer.errors
    assert answer.errors.endswith("\n")
    return answer.errors


@pytest.fixture
def data(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """A file with a fault, and what the line about it holds."""
    name, content, said = FILES[request.param]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / name
    path.write_bytes(content)
    return path, said


@pytest.mark.parametrize("data", FILES, indirect=True)
def test_train_refuses_and_leaves_nothing(
    data: tuple[Path, str], workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    path, said = data
    run = tmp_path / "run"
    line = only_line(command(*workplace.order(run, data=path)))
    assert said in line
    assert not run.exists()


@pytest.mark.parametrize("data", sorted(set(FILES) - {"no record", "prose"}), indirect=True)
def test_evaluate_refuses_and_leaves_nothing(
    data: tuple[Path, str], run: Path, command: Command
) -> None:
    path, said = data
    before = contents(run)
    assert said in only_line(command("evaluate", run, "--data", path))
    assert contents(run) == before


@pytest.mark.parametrize(
    "data", sorted(set(FILES) - {"no record", "prose", "empty text"}), indirect=True
)
def test_predict_refuses_and_leaves_nothing(
    data: tuple[Path, str], trained: Trained, tmp_path: Path, command: Command
) -> None:
    path, said = data
    output = tmp_path / "out" / "records.jsonl"
    answer = command("predict", trained.run, path, "--output", output)
    assert said in only_line(answer)
    assert not output.parent.exists()


@pytest.mark.parametrize("name", [*ONE_BAD_ROW, *ODD_ANNOTATIONS])
def test_a_bad_row_is_set_aside_and_no_other(name: str, tmp_path: Path, command: Command) -> None:
    file, content, place, said = {**ONE_BAD_ROW, **ODD_ANNOTATIONS}[name]
    path = tmp_path / file
    path.write_bytes(content)
    answer = command("audit", "--plugin", "medical_ner", "--data", path, "--json")
    report = json.loads(answer.output)
    (reject,) = report["rejects"]
    assert reject["place"] == f"{path}{place}"
    assert said in reject["reason"]
    assert "\n" not in reject["reason"]


@pytest.mark.parametrize("name", [*ONE_BAD_ROW, *ODD_ANNOTATIONS])
def test_predict_reads_on_behind_a_bad_row(
    name: str, trained: Trained, tmp_path: Path, command: Command
) -> None:
    file, content, place, said = {**ONE_BAD_ROW, **ODD_ANNOTATIONS}[name]
    path = tmp_path / file
    path.write_bytes(content)
    answer = command("predict", trained.run, path)
    assert answer.code == 0, answer.errors
    rows = [json.loads(line) for line in answer.output.splitlines()]
    assert len(rows) == (2 if file == "data.txt" else 21 if place == ":21" else 20)
    unread = [row for row in rows if row["record"] is None]
    if name in ODD_ANNOTATIONS:  # prediction needs none
        assert not unread
    else:
        (row,) = unread
        assert row["id"] == f"{path}{place}"
        assert said in row["error"]


def test_the_command_itself_prints_one_line(
    workplace: Workplace, trained: Trained, tmp_path: Path
) -> None:
    """What the tests above see in their own process holds for the command as installed."""
    data = tmp_path / "data.jsonl"
    data.write_text("{\n{\n")
    assert "data.jsonl:1: not JSON" in only_line(
        extract(*workplace.order(tmp_path / "run", data=data))
    )
    assert "data.jsonl:1: not JSON" in only_line(extract("predict", trained.run, data))
    assert not (tmp_path / "run").exists()


# Paths


def test_a_path_that_is_missing_or_a_folder_of_nothing(
    workplace: Workplace, run: Path, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / ".hidden").write_text(JSONL)
    for path, said in (
        (tmp_path / "missing.jsonl", "missing.jsonl: no such file or folder"),
        (tmp_path / "nothing", "nothing: the folder contains no file"),
    ):
        assert said in only_line(command(*workplace.order(tmp_path / "new", data=path)))
        assert said in only_line(command("evaluate", run, "--data", path))
        assert said in only_line(command("predict", run, path))
        assert not (tmp_path / "new").exists()
    assert "standard input" in only_line(command("predict", run, "-", stdin=b" \n"))
    assert "standard input" in only_line(command("predict", run, "-", stdin=b"\xff\xfe"))


def test_an_output_that_cannot_be_written(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in only_line(command(*workplace.order(tmp_path / "file" / "run")))
    assert "exists already" in only_line(command(*workplace.order(tmp_path / "file")))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert "exists already" in only_line(command(*workplace.order(tmp_path / "full")))
    assert contents(tmp_path) == {"file": b"mine", "full/thesis.txt": b"mine"}


def test_after_a_refusal_the_same_output_can_be_used(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("{\n{\n")
    run = tmp_path / "run"
    run.mkdir()
    (run / ".0123456789abcdef.run.json.new").write_text(
        "{"
    )  # a kill before anything else left this
    only_line(command(*workplace.order(run, data=data)))
    data.write_text("".join(json.dumps({**row, "split": "train"}) + "\n" for row in ROWS))
    answer = command(*workplace.order(run, data=data, max_steps=1))
    assert answer.code == 0, answer.errors


# Names


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--plugin", "medical_nre"], "did you mean medical_ner?"),
        (["--set", "epoch=3"], "unknown setting 'epoch': did you mean epochs?"),
        (["--set", "epochs"], "write it as key=value"),
        (["--set", "epochs=many"], "epochs: a number is wanted, not 'many'"),
        (["--set", "batch_size=-1"], "batch_size must not be negative"),
        (["--set", "quantize=int3"], "quantize: 'int3' is none of nf4, none"),
        (["--set", "optimizer=adamx"], "adamx"),
        (["--set", "report_to=notes"], "report_to: 'notes': Known: mlflow"),
        (
            ["--set", "attention=flash_attention_2", "--set", "prefix_lm=false"],
            "cannot be loaded",
        ),
        (["--set", "score=chemical"], "'chemical'"),
        (["--preset", "llama-3.1-80b"], "did you mean llama-3.1-8b?"),
        (["--preset", "missing.yaml"], "missing.yaml: no such file"),
        (["--with", "medical_nre"], "medical_nre"),
        (["--model", "/no/such/model"], "/no/such/model"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--gpus", "99"], "--gpus 99"),
    ],
    ids=lambda value: "-".join(value).strip("-") if isinstance(value, list) else "",
)
def test_a_name_or_value_that_there_is_not(
    workplace: Workplace, tmp_path: Path, command: Command, changes: list[str], said: str
) -> None:
    order = list(workplace.order(tmp_path / "run", max_steps=1))
    if changes[0] == "--plugin":  # which may be given once
        order[order.index("--plugin") + 1] = changes[1]
    else:
        order += changes
    answer = command(*order)
    assert answer.code == 1, answer.output
    assert said in answer.errors.splitlines()[-1]
    assert answer.errors.splitlines()[-1].startswith("extract: error: ")
    assert "Traceback" not in answer.errors
    if said != "'chemical'":
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", None),
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", b'{"model_type": "no such"}'),
        ("model.safetensors", None),
        ("model.safetensors", b"noise"),
        ("model.safetensors", bytes(99)),
        ("tokenizer.json", b"noise"),
        ("chat_template.jinja", None),
        ("chat_template.jinja", b"{% if %}"),
    ],
)
def test_a_model_that_is_none(
    workplace: Workplace, tmp_path: Path, command: Command, file: str, content: bytes | None
) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name, data in contents(workplace.model).items():
        (model / name).write_bytes(data)
    (model / file).unlink()
    if content is not None:
        (model / file).write_bytes(content)
    answer = command(*workplace.order(tmp_path / "run", max_steps=1), "--model", model)
    assert answer.code == 1
    line = answer.errors.splitlines()[-1]
    assert line.startswith("extract: error: ")
    assert str(model) in line
    assert "Traceback" not in answer.errors
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_model(workplace: Workplace, tmp_path: Path, command: Command) -> None:
    answer = command(*workplace.order(tmp_path / "run"), "--model", workplace.corpus)
    assert str(workplace.corpus) in only_line(answer)
    assert not (tmp_path / "run").exists()


# Runs


@pytest.mark.parametrize("content", [None, b"", b"noise", b"[]", b"{}", b'{"settings": 1}'])
@pytest.mark.parametrize("arguments", [["evaluate"], ["predict", "-"], ["train", "--resume"]])
def test_a_run_that_is_none(
    tmp_path: Path, command: Command, arguments: list[str], content: bytes | None
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if content is not None:
        (run / "run.json").write_bytes(content)
    given = [arguments[0], run, *arguments[1:]] if "-" in arguments else [*arguments, run]
    line = only_line(command(*given, stdin=b"aspirin"))
    assert str(run) in line
    assert contents(run) == ({} if content is None else {"run.json": content})


@pytest.mark.parametrize("content", [None, b"noise"])
def test_an_adapter_that_is_damaged(run: Path, command: Command, content: bytes | None) -> None:
    weights = run / "adapter" / "adapter_model.safetensors"
    weights.unlink()
    if content is not None:
        weights.write_bytes(content)
    assert "cannot be loaded" in only_line(command("evaluate", run))


def test_a_run_that_is_not_there(tmp_path: Path, command: Command) -> None:
    line = only_line(command("evaluate", tmp_path / "missing"))
    assert "missing: not a run folder" in line
    assert not (tmp_path / "missing").exists()


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        ["train"],
        ["train", "--plugin", "medical_ner", "--resume", "run"],
        ["train", "--plugin", "medical_ner", "--gpus", "0"],
        ["evaluate"],
        ["evaluate", "run", "--split", "tset"],
        ["predict", "run"],
        ["predict", "run", "a.txt", "--outptu", "b"],
    ],
)
def test_wrong_usage_is_2(command: Command, arguments: list[str]) -> None:
    answer = command(*arguments)
    assert answer.code == 2
    assert answer.errors.startswith("Usage: extract")
    assert answer.output == ""
