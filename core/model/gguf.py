"""Models that are given as a GGUF file: converted once to a folder in the user's cache.

- ``gguf_header``: metadata of a file, and what is refused
- ``gguf_conversion``: from a file to a folder of safetensors, config and tokenizer
- ``gguf_rotary``: position embeddings
- ``smollm2``: a pretrained model that needs no hub
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError, SettingsError
from ..files import is_left_over, require_writable, temporary_beside, write_json
from ..progress import say
from . import smollm2
from .smollm2 import SMOLLM2

_RECORD = "conversion.json"
"""In a converted folder: its source, and size, time and hash of each of its files."""

_CONVERTER = 1
"""Raised when a conversion comes out otherwise than before: older folders are made anew."""


def cache_folder() -> Path:
    """Return the folder of converted models in the user's cache."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "fieldsmith" / "models"


def local_folder(model: str, *, thorough: bool = False) -> Path | None:
    """Return the folder of a model that is a GGUF file or ``smollm2-135m``; make it if need be.

    A file is recognised by its content, wherever it is. Once it was converted, the file itself is
    not needed any more.

    Args:
        model: the setting ``model``.
        thorough: read all of a folder that is there, and not only what has changed since it was
            made.

    Returns:
        None where the model is neither: a folder, or a model of the hub.

    Raises:
        SettingsError: the file is missing or cannot be converted.
        OutputError: the cache cannot be written.
    """
    if model == SMOLLM2:
        folder = cache_folder() / f"{SMOLLM2}-{smollm2.DIGEST[:16]}"
        return _smollm2(folder, thorough=thorough)
    if not _is_file(model):
        return None
    file = Path(os.path.abspath(model))
    if not file.is_file():
        return _earlier(file)
    digest = _known_digest(file) or _sha256(file)
    folder = cache_folder() / f"gguf-{digest[:16]}"
    _ensure(folder, file, str(file), digest, thorough=thorough)
    return folder


def source_digest(folder: Path) -> str | None:
    """Return the SHA-256 of the GGUF file that a folder was made of; None for other folders."""
    record = _record(folder)
    return str(record["source"]["sha256"]) if record else None


def make_folder(name: str, output: Path | None = None) -> Path:
    """Return a checked folder of a model by its short name or its GGUF file.

    Args:
        name: ``smollm2``, ``smollm2-135m``, or a GGUF file.
        output: the folder to make, in place of one in the cache.

    Raises:
        SettingsError: there is no such model, or it cannot be converted.
        OutputError: ``output`` contains something else, or cannot be written.
    """
    model = SMOLLM2 if name == "smollm2" else name
    if model != SMOLLM2 and not _is_file(model):
        raise SettingsError(f"no model is called {name!r}: name smollm2, or a GGUF file")
    if output is None:
        folder = local_folder(model, thorough=True)
        assert folder is not None
        return folder
    if model == SMOLLM2:
        return _smollm2(output, thorough=True)
    file = Path(os.path.abspath(model))
    if not file.is_file():
        raise SettingsError(f"model {model}: no such file")
    _ensure(output, file, str(file), _sha256(file), thorough=True)
    return output


def _is_file(model: str) -> bool:
    return model.lower().endswith(".gguf") or os.path.isfile(model)


def _smollm2(folder: Path, *, thorough: bool) -> Path:
    if not _is_intact(folder, smollm2.DIGEST, thorough=thorough):
        with smollm2.gguf_file(cache_folder()) as file:
            if _sha256(file) != smollm2.DIGEST:
                raise SettingsError(
                    f"model {SMOLLM2}: {file.name} is not the published one (its SHA-256 differs); "
                    f"install the package again or uninstall it"
                )
            _ensure(folder, file, smollm2.SOURCE, smollm2.DIGEST, thorough=thorough)
    return folder


def _ensure(folder: Path, file: Path, source: str, digest: str, *, thorough: bool) -> None:
    """Convert a file to a folder, unless that is there already and intact."""
    if _is_intact(folder, digest, thorough=thorough):
        if source == str(file):
            _remember(folder, file)
        return
    with _locked(folder):
        if _is_intact(folder, digest, thorough=thorough):  # another process has made it meanwhile
            return
        if folder.exists():
            _clear(folder)
        _convert(folder, file, source, digest)


def _clear(folder: Path) -> None:
    """Remove a damaged or outdated folder of the cache, or an empty one of the user's."""
    if folder.is_relative_to(cache_folder()):
        say(f"{folder}: damaged, or of another version; it is made anew")
        shutil.rmtree(folder)
        return
    try:
        folder.rmdir()
    except OSError as error:
        raise OutputError(f"{folder}: exists already; choose another --output") from error


def _convert(folder: Path, file: Path, source: str, digest: str) -> None:
    from .gguf_conversion import convert

    for path in folder.parent.glob(".*.new"):
        if is_left_over(path.name, folder.name):
            shutil.rmtree(path, ignore_errors=True)  # a killed process left it
    temporary = temporary_beside(folder)
    try:
        convert(file, temporary, source, digest, output=folder)
        files = {path.name: _entry(path) for path in sorted(temporary.iterdir())}
        # What was downloaded for the moment is not there any more the next time.
        found = {str(file): _stamp(file)} if source == str(file) else {}
        origin = {"sha256": digest, "files": found}
        record = {"converter": _CONVERTER, "source": origin, "files": files}
        write_json(temporary / _RECORD, record)
        os.replace(temporary, folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time make a folder."""
    from filelock import FileLock, Timeout

    locks = cache_folder() / ".locks"
    require_writable(locks)
    require_writable(folder.parent)
    name = hashlib.sha256(os.path.abspath(folder).encode("utf-8", "surrogateescape")).hexdigest()
    lock = FileLock(locks / f"{name[:16]}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"{folder}: another process makes it; waiting")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


# The record of a converted folder


def _record(folder: Path) -> dict[str, Any]:
    """Return the record of a folder; {} where there is none."""
    try:
        loaded: Any = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        complete = loaded["converter"] and loaded["files"] and loaded["source"]["sha256"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return dict(loaded) if complete else {}


def _is_intact(folder: Path, digest: str, *, thorough: bool) -> bool:
    """Say whether this version made a folder of a file, and its files are as they were made.

    A file of the same size and time is taken as unchanged unless ``thorough``.
    """
    record = _record(folder)
    if record.get("converter") != _CONVERTER or record["source"]["sha256"] != digest:
        return False
    try:
        return all(
            _is_same(folder / name, entry, thorough=thorough)
            for name, entry in record["files"].items()
        )
    except OSError:
        return False


def _is_same(path: Path, entry: Mapping[str, Any], *, thorough: bool) -> bool:
    stat = path.stat()
    if stat.st_size != entry["size"]:
        return False
    if not thorough and stat.st_mtime_ns == entry["time"]:
        return True
    return bool(_sha256(path) == entry["sha256"])


def _entry(path: Path) -> dict[str, Any]:
    return {**_stamp(path), "sha256": _sha256(path)}


def _stamp(path: Path) -> dict[str, int]:
    stat = path.stat()
    return {"size": stat.st_size, "time": stat.st_mtime_ns}


def _records() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each folder of the cache with its record, the newest first."""
    found = sorted(cache_folder().glob(f"*/{_RECORD}"), key=os.path.getmtime, reverse=True)
    for path in found:
        if record := _record(path.parent):
            yield path.parent, record


def _known_digest(file: Path) -> str | None:
    """Return the hash of a file that was converted before and has not changed since."""
    stamp = _stamp(file)
    for _folder, record in _records():
        if record["source"]["files"].get(str(file)) == stamp:
            return str(record["source"]["sha256"])
    return None


def _remember(folder: Path, file: Path) -> None:
    """Note where a converted file is now, so that it need not be read again."""
    record = _record(folder)
    files, stamp = record["source"]["files"], _stamp(file)
    if files.get(str(file)) != stamp and folder.is_relative_to(cache_folder()):
        files[str(file)] = stamp
        write_json(folder / _RECORD, record)


def _earlier(file: Path) -> Path:
    """Return the folder that a file was converted to before it went away."""
    for folder, record in _records():
        digest = record["source"]["sha256"]
        if str(file) in record["source"]["files"] and _is_intact(folder, digest, thorough=False):
            return folder
    raise SettingsError(
        f"model {file}: no such file, and no earlier conversion of it in {cache_folder()}"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
