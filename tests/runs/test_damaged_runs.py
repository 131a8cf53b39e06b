"""A run folder that is damaged in whatever way: one line that names the file, and no traceback."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Answer, Command
from safetensors.torch import load_file, save_file
from tiny_model import Trained, contents

from fieldsmith.errors import RunError
from fieldsmith.runs.folder import Run
from fieldsmith.runs.paths import below_source

DOCUMENT = "1|t|aspirin and rash.\n1|a|aspirin caused rash in 3 patients.\n"

GARBAGE: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "noise": bytes(range(256)) * 9,
    "text": b"noise",
    "a list": b"[]",
    "an object": b"{}",
    "a number": b"1",
    "a text": b'"x"',
    "null": b"null",
    "deep list": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "half a line": b'{"step":1}\n{"step":',
    "not a number": b'{"a":NaN}',
    "a key twice": b'{"a":1,"a":2}',
    "digits": b'{"a":' + b"9" * 5000 + b"}",
}

WRONG: tuple[Any, ...] = (None, -1, "x", [], {}, 10**30, "\0", 1e308, True, [[]])
"""What takes the place of a value; ``DELETED`` removes its key."""

DELETED = object()

READ_BY = {
    "run.json": "predict",
    "gazetteer.json": "predict",
    "adapter/receipt.json": "predict",
    "adapter/adapter_config.json": "predict",
    "adapter/adapter_model.safetensors": "predict",
    "adapter/tokenizer.json": "predict",
    "adapter/tokenizer_config.json": "predict",
    "adapter/chat_template.jinja": "predict",
    "trained_on.jsonl": "evaluate",
    "held_out.jsonl": "evaluate",
    "metrics.json": "evaluate",
}
"""Each file of a run, and a command that cannot do without it."""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document.txt"
    path.write_text(DOCUMENT)
    return path


def asked(command: Command, name: str, run: Path, document: Path) -> Answer:
    """Run a command that reads a run."""
    arguments = {
        "predict": ("predict", run, document),
        "evaluate": ("evaluate", run, "--split", "test"),
        "resume": ("train", "--resume", run),
        "report": ("report", run),
    }[name]
    return command(*arguments)


def only_line(answer: Answer) -> str:
    """Return the one line of an expected error."""
    line = answer.errors.splitlines()[-1] if answer.errors else ""
    assert answer.code == 1, answer
    assert answer.errors.count("extract: error: ") == 1, answer.errors
    assert line.startswith("extract: error: ")
    assert "Traceback" not in answer.errors
    assert len(line) < 800
    return line


def damaged(content: bytes, kind: str) -> bytes | None:
    """Return a file's content after damage of a kind."""
    half = len(content) // 2
    return {
        **GARBAGE,
        # Without the end of a line: what is cut between two lines is whole.
        "first half": content[:half].rstrip(b"}\n"),
        "a hole": content[:half] + bytes(9) + content[half + 9 :],
    }[kind]


@pytest.mark.parametrize("kind", [*GARBAGE, "first half", "a hole"])
@pytest.mark.parametrize("name", READ_BY)
def test_a_damaged_file_is_named(
    run: Path, document: Path, command: Command, name: str, kind: str
) -> None:
    file = run / name
    content = damaged(file.read_bytes(), kind)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    if (name, kind) in {("metrics.json", "missing"), ("metrics.json", "an object")}:
        return  # a run that was not scored
    if (name, kind) == ("held_out.jsonl", "missing"):
        return  # a run of an older version
    before = contents(run)
    line = only_line(asked(command, READ_BY[name], run, document))
    assert str(run) in line
    assert Path(name).name in line or kind == "missing"
    assert contents(run) == before


@pytest.mark.parametrize("kind", [*GARBAGE, "first half", "a hole"])
@pytest.mark.parametrize("name", ["log.jsonl", "predictions/validation.jsonl"])
def test_the_report_shows_what_can_be_read(
    run: Path, document: Path, command: Command, name: str, kind: str
) -> None:
    file = run / name
    content = damaged(file.read_bytes(), kind)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    answer = asked(command, "report", run, document)
    assert answer.code == 0, answer.errors
    assert "medical_ner, validation" in answer.output
    assert "not shown" in answer.output
    assert answer.errors == ""


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in inside:
        yield (*above, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*above, key))


def changed(value: Any, place: tuple[Any, ...], new: object) -> Any:
    """Return a copy of a JSON value with one value inside replaced, or removed."""
    whole = copy.deepcopy(value)
    part = whole
    for key in place[:-1]:
        part = part[key]
    if new is DELETED:
        del part[place[-1]]
    else:
        part[place[-1]] = new
    return whole


def read_all(run: Run) -> object:
    """Read all that run.json holds."""
    run.require_complete()
    return run.settings(), run.shares()


READERS: dict[str, Callable[[Run], object]] = {
    "run.json": read_all,
    "metrics.json": Run.metrics,
    "adapter/receipt.json": Run.receipt,
}


@pytest.mark.parametrize("name", READERS)
def test_whatever_key_is_wrong_it_is_read_or_named(run: Path, name: str) -> None:
    """Every key of every file, deleted or replaced by values of other types."""
    file = run / name
    whole = json.loads(file.read_bytes())
    refused, values = 0, (*WRONG, DELETED)
    for number, place in enumerate(places(whole)):
        # Each place gets some of the values, and each value many of the places.
        for new in (values[(number + step) % len(values)] for step in (0, 3, 5, 9)):
            file.write_text(json.dumps(changed(whole, place, new)))
            try:
                READERS[name](Run(run))
            except RunError as error:
                refused += 1
                line = str(error)
                assert line.startswith(f"{file}: "), line
                assert "\n" not in line
                assert len(line) < 600
    assert refused > 20


@pytest.mark.parametrize(
    ("place", "new", "said"),
    [
        (("settings", "window_size", "value"), 0, "settings: window_size must be at least 1"),
        (("settings", "max_new_tokens", "value"), -5, "max_new_tokens must be at least 1"),
        (("settings", "eval_batch_size", "value"), 10**30, "eval_batch_size must be at most"),
        (("plugin", "name"), DELETED, "plugin: the key 'name' is missing"),
        (("data", "split_ratio"), 5, "data.split_ratio: 5 is not of type array"),
        (("training", "min_confidence"), 7, "training.min_confidence: 7 is above 1"),
        (("training",), DELETED, "the key 'training' is missing"),
        (("receipt",), DELETED, "the key 'receipt' is missing"),
        (("format",), 2, "format: 2 is above 1"),
        (("preset",), [[[]]], "preset: [[[]]] is not of type string"),
    ],
)
def test_the_line_names_the_key(
    run: Path, document: Path, command: Command, place: tuple[Any, ...], new: object, said: str
) -> None:
    file = run / "run.json"
    file.write_text(json.dumps(changed(json.loads(file.read_bytes()), place, new)))
    for name in ("predict", "evaluate", "report"):
        assert said in only_line(asked(command, name, run, document))


# Weights


def weights_of(run: Path) -> Path:
    return run / "adapter" / "adapter_model.safetensors"


def forget_hashes(run: Path) -> None:
    """Remove the hashes, as whoever makes a hostile run would write fitting ones."""
    file = run / "adapter" / "receipt.json"
    receipt = json.loads(file.read_bytes())
    del receipt["files"]
    file.write_text(json.dumps(receipt))


Weights = dict[str, torch.Tensor]

DAMAGED_WEIGHTS: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "renamed": (lambda w: {f"x{name}": t for name, t in w.items()}, "lacks"),
    "every other one": (lambda w: dict(list(w.items())[::2]), "lacks"),
    "one more": (lambda w: w | {"more.weight": torch.ones(2)}, "the model does not"),
    "none": (lambda w: {}, "lacks"),
    "transposed": (lambda w: {name: t.T.contiguous() for name, t in w.items()}, "cannot be loaded"),
    "whole numbers": (lambda w: {n: t.to(torch.int32) for n, t in w.items()}, "no floats"),
    "not a number": (lambda w: {n: t * float("nan") for n, t in w.items()}, "is not finite"),
    "infinite": (lambda w: {n: t + float("inf") for n, t in w.items()}, "is not finite"),
}


@pytest.mark.parametrize("kind", DAMAGED_WEIGHTS)
@pytest.mark.parametrize("hashed", [True, False])
def test_weights_that_are_not_those_of_the_training_are_refused(
    run: Path, document: Path, command: Command, kind: str, hashed: bool
) -> None:
    change, said = DAMAGED_WEIGHTS[kind]
    file = weights_of(run)
    save_file(change(load_file(file)), file, {"format": "pt"})
    if not hashed:
        forget_hashes(run)
    line = only_line(asked(command, "predict", run, document))
    assert f"{file}: cannot be loaded" in line
    assert (said if not hashed else "it has changed since the training") in line


@pytest.mark.parametrize("hashed", [True, False])
def test_a_pickle_is_never_read(
    run: Path, document: Path, command: Command, tmp_path: Path, hashed: bool
) -> None:
    file = weights_of(run)
    torch.save(load_file(file), file.with_name("adapter_model.bin"))
    file.unlink()
    if not hashed:
        forget_hashes(run)
    line = only_line(asked(command, "predict", run, document))
    assert "cannot be loaded" in line


def test_weights_that_are_gone_are_not_looked_for_on_the_hub(
    run: Path, document: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run called like a repository, in the folder that holds it."""
    forget_hashes(run)
    weights_of(run).unlink()
    monkeypatch.chdir(run.parent)
    line = only_line(asked(command, "predict", Path(run.name), document))
    assert f"{run.name}/adapter/adapter_model.safetensors: cannot be loaded: no such file" in line


HALF_MODELS: dict[str, tuple[Callable[[Weights], Weights], str]] = {
    "half": (lambda w: dict(list(w.items())[::2]), "its files lack weights"),
    "renamed": (lambda w: {f"x{name}": t for name, t in w.items()}, "its files lack weights"),
    "whole numbers": (lambda w: {n: t.to(torch.int32) for n, t in w.items()}, "whole numbers"),
    "not a number": (lambda w: {n: t * float("nan") for n, t in w.items()}, "not finite"),
}


@pytest.mark.parametrize("kind", HALF_MODELS)
@pytest.mark.parametrize("quantize", ["nf4", "none"])
def test_half_a_base_model_is_refused(
    trained: Trained, tmp_path: Path, document: Path, command: Command, kind: str, quantize: str
) -> None:
    model = Path(shutil.copytree(trained.run.parent / "model", tmp_path / "model"))
    change, said = HALF_MODELS[kind]
    file = model / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})
    answer = command(
        "predict", "--plugin", "medical_ner", "--model", model, f"--set=quantize={quantize}",
        "--set=max_new_tokens=20", document,
    )  # fmt: skip
    line = only_line(answer)
    assert said in line
    assert str(model) in line


# What an adapter's configuration may not say


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target_modules", "(a+)+$"),
        ("target_modules", ["(a+)+$"]),
        ("target_modules", []),
        ("auto_mapping", {"parent_library": "os", "base_model_class": "X"}),
        ("megatron_config", {"a": 1}),
        ("exclude_modules", "(a|a)*"),
        ("rank_pattern", {"(a+)+$": 4}),
        ("alpha_pattern", {"(a+)+$": 4}),
        ("layers_pattern", "(a+)+$"),
        ("layer_replication", [[0, 10**9]]),
        ("target_parameters", ["x"]),
        ("modules_to_save", ["(a+)+"]),
        ("peft_type", "XLORA"),
        ("r", 10**9),
        ("r", "8"),
        ("lora_alpha", "x"),
        ("lora_dropout", 7),
        ("unheard_of", {"a": 1}),
    ],
)
def test_an_adapters_config_holds_plain_lora_alone(
    run: Path, document: Path, command: Command, key: str, value: object
) -> None:
    forget_hashes(run)
    file = run / "adapter" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), key: value}))
    assert f"{file}: {key}: " in only_line(asked(command, "predict", run, document))


# Links and pipes


def test_a_run_holds_files_of_its_own_alone(
    run: Path, document: Path, command: Command, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    metrics = run / "metrics.json"
    metrics.unlink()
    metrics.symlink_to(mine)
    line = only_line(asked(command, "evaluate", run, document))
    assert f"{metrics}: is a link out of the run folder" in line
    assert mine.read_text() == "mine"
    metrics.unlink()
    os.mkfifo(metrics)
    assert f"{metrics}: is no file" in only_line(asked(command, "report", run, document))


def test_paths_are_told_below_the_source() -> None:
    source = Path("/data/corpus")
    assert below_source({"place": "/data/corpus/a/b.txt:3", "n": 1}, source) == {
        "place": "a/b.txt:3", "n": 1,
    }  # fmt: skip
    assert below_source(["a copy of /data/corpus/a.txt:3: x"], source) == ["a copy of a.txt:3: x"]
    assert below_source("/data/corpus: empty", source) == "corpus: empty"
    assert below_source("sample.jsonl:3", None) == "sample.jsonl:3"
