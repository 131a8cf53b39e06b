"""Hashes of weights: read once, and again where a file has changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from fieldsmith.model import weight_hashes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, which is used for weights of any size."""
    file = tmp_path / "cache" / "weight-hashes.json"
    monkeypatch.setattr(weight_hashes, "cache_file", lambda: file)
    monkeypatch.setattr(weight_hashes, "_WORTH", 1)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of two files."""
    made = tmp_path / "model"
    made.mkdir()
    for name in ("b", "a"):
        (made / f"{name}.safetensors").write_bytes(name.encode() * 100)
    return made


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows each time that the files are read."""
    reads: list[int] = []
    whole = weight_hashes._hash

    def count(files: list[Path]) -> str:
        reads.append(len(files))
        return whole(files)

    monkeypatch.setattr(weight_hashes, "_hash", count)
    return reads


def test_files_are_read_once(folder: Path, hashed: list[int]) -> None:
    wanted = hashlib.sha256(b"a" * 100 + b"b" * 100).hexdigest()
    assert weight_hashes.hash_weights(folder) == wanted
    assert weight_hashes.hash_weights(folder) == wanted
    assert hashed == [2]


@pytest.mark.parametrize("change", ["content", "time", "another", "gone"])
def test_a_changed_file_is_read_again(folder: Path, hashed: list[int], change: str) -> None:
    before = weight_hashes.hash_weights(folder)
    file = folder / "a.safetensors"
    if change == "another":
        (folder / "c.safetensors").write_bytes(b"c")
    elif change == "gone":
        file.unlink()
    else:
        found = file.stat()
        file.write_bytes(b"z" * 100 if change == "content" else b"a" * 100)
        os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert (weight_hashes.hash_weights(folder) == before) == (change == "time")
    assert len(hashed) == 2


@pytest.mark.parametrize(
    "content", ["", "[1]", "null", '{"x": 1}', '{"x": {"files": 1}}', "\0", '{"x": {"sha256": ""}}']
)
def test_a_damaged_cache_is_ignored(
    folder: Path, cache: Path, hashed: list[int], content: str
) -> None:
    wanted = weight_hashes.hash_weights(folder)
    cache.write_text(content)
    assert weight_hashes.hash_weights(folder) == wanted
    assert weight_hashes.hash_weights(folder) == wanted
    assert len(hashed) == 2, "and written anew"


def test_a_cache_that_cannot_be_written_is_none(folder: Path, cache: Path) -> None:
    cache.parent.write_text("a file where the folder should be")
    assert weight_hashes.hash_weights(folder)


def test_small_weights_are_not_noted(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_hashes, "_WORTH", 1000)
    assert weight_hashes.hash_weights(folder)
    assert not cache.exists()


def test_the_oldest_are_forgotten(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_hashes, "_KEPT", 2)
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"1")
        weight_hashes.hash_weights(folder)
    text = cache.read_text()
    assert [str(folder) in text for folder in folders] == [False, True, True]
