"""A merged run as a GGUF file answers in llama.cpp, by the file's own tokenizer and template."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command import Command, run_installed
from known_to_llama_cpp import skip_without_index, train_known
from model_families import FAMILIES
from tiny_families import CausalRun

from fieldsmith.exporting.hub_files import collect
from fieldsmith.runs.folder import Run

pytest.importorskip("xllamacpp", reason="the extra llama-cpp is not installed")


@pytest.fixture(scope="module")
def exported(known: CausalRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run merged and as a file; llama.cpp's converter is downloaded where it is not cached."""
    folder = tmp_path_factory.mktemp("exported") / "merged"
    # Not forked: other tests may have started llama.cpp in this process, whose threads break then.
    order = ("merge", known.run, "--output", folder, "--gguf", "f16", "--tolerance", "0.2")
    made = run_installed(*order)
    skip_without_index(made.errors)
    assert made.code == 0, made.errors
    assert made.output.splitlines()[-1] == str(folder / "model-f16.gguf")
    return folder


def test_it_is_scored_by_llama_cpp(exported: Path) -> None:
    scores = json.loads((exported / "export.json").read_text(encoding="utf-8"))["scores"]
    assert set(scores) == {"transformers", "f16"}
    assert scores["transformers"]["equal"] == scores["f16"]["documents"] == 10
    assert scores["f16"]["equal"] >= 8  # ties and numbers of 16 bits
    assert scores["f16"]["after"]["valid"] == 1.0
    assert any(value["value"] > 0 for value in scores["f16"]["after"]["metrics"].values())


def test_it_is_pushed_without_what_other_files_hold(known: CausalRun, exported: Path) -> None:
    file = exported / "model-f16.gguf"
    upload = collect(Run.open(known.run), file, "tiny", None)
    assert upload.kind == "gguf"
    assert upload.files.keys() == {
        *("README.md", "export.json", "grammar.lark", "model-f16.gguf", "probe.json"),
        *("push.json", "receipt.json", "schema.json"),
    }
    made = {name: text for name, text in upload.files.items() if isinstance(text, bytes)}
    card = made["README.md"].decode()
    assert "library_name: gguf" in card
    assert "llama-server -m model-f16.gguf" in card
    assert "Answered by f16 with these files, 10 documents of validation: score" in card
    (shown,) = re.findall(r"^````json\n(.*?)^````$", card, re.DOTALL | re.MULTILINE)
    assert "{document}" in json.loads(shown)[-1]["content"]
    scores = json.loads(made["export.json"])["scores"]
    assert scores.keys() == {"f16"}
    assert "differing" not in scores["f16"]
    for content in (*made.values(), file.read_bytes()):
        assert known.folder.name.encode() not in content
        assert b"merged" not in content[:1000]


def test_it_is_made_once_and_scored_again(
    known: CausalRun, exported: Path, command: Command
) -> None:
    before = (exported / "model-f16.gguf").stat().st_mtime_ns
    arguments = ("merge", known.run, "--output", exported, "--gguf", "f16", "--documents", "2")
    again = command(*arguments, "--json", "--tolerance", "1")
    assert again.code == 0, again.errors
    assert json.loads(again.output)["scores"]["f16"]["documents"] == 2
    assert (exported / "model-f16.gguf").stat().st_mtime_ns == before


@pytest.mark.parametrize("kind", ["cut", "other"])
def test_a_damaged_file_is_found(
    kind: str, known: CausalRun, exported: Path, tmp_path: Path, command: Command
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "copied"))
    file = folder / "model-f16.gguf"
    content = file.read_bytes()
    if kind == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        half = len(content) // 2
        file.write_bytes(content[:half] + bytes(len(content) - half))
    done = command("merge", known.run, "--output", folder, "--gguf", "f16", "--documents", "6")
    assert done.code == 1
    said = done.errors.splitlines()[-1]
    assert ("cannot load it" if kind == "cut" else "its score by f16 is") in said
    assert "Traceback" not in done.errors


def test_another_template_in_the_file_is_found(
    known: CausalRun, exported: Path, tmp_path: Path, command: Command
) -> None:
    folder = Path(shutil.copytree(exported, tmp_path / "copied"))
    (folder / "model-f16.gguf").unlink()
    template = folder / "chat_template.jinja"
    right = template.read_text(encoding="utf-8")
    template.write_text(right.replace("<|assistant|>", "<|answer|>"), encoding="utf-8")
    config: Any = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    from fieldsmith.exporting.gguf_file import write_gguf

    write_gguf(folder, "f16")
    template.write_text(right, encoding="utf-8")
    done = command("merge", known.run, "--output", folder, "--gguf", "f16", "--documents", "2")
    assert done.code == 1
    assert "llama.cpp makes another prompt than the training had" in done.errors


def test_a_space_in_front_of_each_text_is_refused(
    exported: Path, tmp_path: Path, command: Command
) -> None:
    """llama.cpp would put it in front of an answer, too, where the grammar allows none."""
    del exported  # whose making has fetched the converter
    run = train_known(tmp_path, FAMILIES["tinyllama"])
    arguments = ("merge", run.run, "--output", tmp_path / "merged", "--gguf", "f16")
    done = command(*arguments, "--documents", "2", "--tolerance", "1")
    assert done.code == 1
    assert "llama.cpp puts a space in front of what a grammar forces" in done.errors


def test_what_llama_cpp_does_not_know_is_one_line(
    exported: Path, causal: CausalRun, merged: Path, tmp_path: Path, command: Command
) -> None:
    """The tokenizer that ships with fieldsmith is none of those that its converter knows."""
    del exported  # whose making has fetched the converter
    folder = Path(shutil.copytree(merged, tmp_path / "merged"))
    arguments = ("merge", causal.run, "--output", folder, "--gguf", "q8_0", "--no-score")
    done = command(*arguments)
    assert done.code == 1
    assert done.errors.splitlines()[-1].endswith("llama.cpp does not know its tokenizer")
    assert not list(folder.glob("*gguf*"))


def test_what_is_not_installed_is_said_before_any_work(
    known: CausalRun, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    output = tmp_path / "merged"
    done = command("merge", known.run, "--output", output, "--gguf", "q4_k_m")
    assert done.code == 1
    assert "llama-quantize is not on the path" in done.errors
    assert not output.exists()
