"""Which files of a run or an export are pushed, and a search for what none of them may hold."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..data import SPLITS
from ..dataset.teachers import required_beginning
from ..errors import RunError
from ..extraction.extractor import checked_task
from ..files import read_text
from ..model.weights import CONFIG as ADAPTER_CONFIG
from ..model.weights import check_tensors
from ..runs.folder import Run
from ..runs.paths import without_folders, without_home
from ..runs.receipt import receipt_of
from ..task import Task
from .hub_card import base_folder, licence_files, texts_for_hub
from .merged import PROBE, RECORD, MergedModel, merged_key

PUSHED = "push.json"
"""In a repository: what was pushed, and by that who may push again."""

_CONFIGS = (ADAPTER_CONFIG, "config.json", "generation_config.json", "tokenizer_config.json")
_VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model")
_WEIGHTS = (
    "adapter_model.safetensors",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
)
_PROMPT = ("added_tokens.json", "special_tokens_map.json", "chat_template.jinja")
_ALLOWED = (*_CONFIGS, *_VOCABULARIES, *_WEIGHTS, *_PROMPT)
"""Names of files that are pushed from the folder of a model; others stay where they are."""

_NAMES = ("_name_or_path", "base_model_name_or_path", "name_or_path")
"""Keys of a config that may hold a path."""

_BLOCK = 1 << 22

Content = Path | bytes


@dataclass(frozen=True)
class Upload:
    """What is pushed.

    Attributes:
        name: of the repository, without its owner, unless the user names another.
        kind: "adapter", "model" or "gguf".
        files: by its name, a file that is pushed as it is, or the content of one made for it.
        hashes: sha256 of each of them, by its name.
    """

    name: str
    kind: str
    files: Mapping[str, Content]
    hashes: Mapping[str, str]

    def sizes(self) -> dict[str, int]:
        """Return the bytes of each file, by its name."""
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in self.files.items()
        }


def collect(run: Run, exported: Path | None, name: str | None, token: str | None) -> Upload:
    """Check a run, or what was exported of it, and return what is pushed; nothing is sent.

    Args:
        run: the run folder.
        exported: the folder that ``extract merge`` made of it, or a GGUF file in it; None for the
            adapter.
        name: of the repository; None for one of base model, plugin and time.
        token: for the hub, which no file may hold.

    Raises:
        PluginError: the plugin is not installed any more.
        RunError: the run is not complete, a file is damaged or missing, the export is not of this
            run, or a file holds what is not to be pushed.
    """
    task = checked_task(run)
    if exported is None:
        kind = "model" if task.settings.tuning == "full" else "adapter"
        folder, gguf, record = run.adapter, None, None
        found = dict(_allowed(folder))
    else:
        gguf = exported if exported.is_file() else None
        kind, folder = "gguf" if gguf else "model", gguf.parent if gguf else exported
        record = _record_of(run, folder)
        found = _exported_files(folder, gguf, record)
    weights = gguf or _weights_of(found, folder)
    name = name or _default_name(run, task, weights)
    _require_beginning(name, run)
    found |= {file.name: file for file in licence_files(base_folder(task.settings))}
    scores = _scores(record, gguf)
    files: dict[str, Content] = {each: _content(file, run) for each, file in found.items()}
    files |= texts_for_hub(run, task, name, kind, gguf.name if gguf else "", scores)
    files["receipt.json"] = _json(vars(receipt_of(task)))
    if record is not None:
        kept = ("fieldsmith", "plugin", "base_model", "dtype")
        files[RECORD] = _json({**{key: record[key] for key in kept}, "scores": scores})
    hashes = {each: _hash(content) for each, content in sorted(files.items())}
    files[PUSHED] = _json(_manifest(run, kind, hashes))
    hashes[PUSHED] = _hash(files[PUSHED])
    _require_nothing_private(files, run, exported, token)
    return Upload(name, kind, dict(sorted(files.items())), hashes)


def _allowed(folder: Path) -> Iterator[tuple[str, Path]]:
    for pattern in _ALLOWED:
        for file in folder.glob(pattern):
            if file.is_file():
                yield file.name, file


def _record_of(run: Run, folder: Path) -> dict[str, Any]:
    """Return what export.json holds; raise RunError if the folder was made of another run."""
    if not (folder / RECORD).is_file():
        raise RunError(
            f"{folder}: was not made by `extract merge` (no {RECORD} in it); "
            f"make one: extract merge {run.folder} --output DIR"
        )
    record = MergedModel.open(folder).record
    if record["key"] != merged_key(run, record["dtype"]):
        raise RunError(f"{folder}: was not made of {run.folder}; merge that run again")
    return record


def _exported_files(folder: Path, gguf: Path | None, record: Mapping[str, Any]) -> dict[str, Path]:
    """Return the files of an export that are pushed, after a check that they are as it was made."""
    licences = {file.name: file for file in licence_files(folder)}
    found = {PROBE: folder / PROBE, **licences}
    if gguf is None:
        found |= dict(_allowed(folder))
    else:
        with gguf.open("rb") as stream:
            if stream.read(4) != b"GGUF":
                raise RunError(f"{gguf}: is no GGUF file; make one: extract merge --gguf")
    missing = {each for each in record["files"] if gguf is None and _is_allowed(each)} - set(found)
    for each, file in {**found, **{name: folder / name for name in sorted(missing)}}.items():
        if not file.is_file() or _hash(file) != record["files"].get(each):
            raise RunError(f"{file}: is missing or has changed since it was made; merge again")
    return {**found, gguf.name: gguf} if gguf else found


def _is_allowed(name: str) -> bool:
    return any(Path(name).match(pattern) for pattern in _ALLOWED)


def _weights_of(found: Mapping[str, Path], folder: Path) -> Path:
    """Return the first file of weights, after a check that all are finite numbers."""
    from safetensors import SafetensorError

    files = [file for name, file in sorted(found.items()) if name.endswith(".safetensors")]
    if not files:
        raise RunError(f"{folder}: has no weights (*.safetensors); restore it, or train again")
    for file in files:
        try:
            check_tensors(file)
        except (OSError, SafetensorError) as error:
            raise RunError(f"{file}: cannot be read: {' '.join(str(error).split())}") from error
    return files[0]


def _default_name(run: Run, task: Task, weights: Path) -> str:
    """Return ``BASE-PLUGIN-YYYYMMDD_HHMMSS``, the time (UTC) being that of the weights."""
    from datetime import UTC, datetime

    time = datetime.fromtimestamp(weights.stat().st_mtime, UTC)
    base = Path(run.info()["base_model"]["name"]).name
    parts = _allowed_name(base, 40), _allowed_name(task.plugin.name, 30), f"{time:%Y%m%d_%H%M%S}"
    name, (begins, _line) = "-".join(parts), required_beginning(_teachers(run))
    return name if name.startswith(begins) else f"{begins}-{name}"


def _require_beginning(name: str, run: Run) -> None:
    """Refuse a name that the licence of a model that labelled the training data does not allow."""
    begins, line = required_beginning(_teachers(run))
    if not name.startswith(begins):
        raise RunError(
            f"--repo {name}: has to begin with {begins!r}, by the licence of a model that labelled "
            f"the training data: {line}"
        )


def _teachers(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.info()["data"].get("teachers", [])
    return found


def _allowed_name(name: str, longest: int) -> str:
    """Return a name with the characters that the hub allows, and no two of - and . in a row.

    >>> _allowed_name("Llama-3.2--3B (new).gguf", 40)
    'Llama-3.2-3B-new-gguf'
    """
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", name)
    return re.sub(r"[-.]{2,}", "-", name)[:longest].strip("-.")


def _content(file: Path, run: Run) -> Content:
    """Return a file, or the content of a config: without paths, and with the base's commit."""
    if file.name not in _CONFIGS:
        return file
    config = json.loads(read_text(file))
    for key in _NAMES:
        if isinstance(config.get(key), str):
            config[key] = without_folders(config[key])
    if file.name == ADAPTER_CONFIG and (commit := run.info()["base_model"].get("commit")):
        config["revision"] = commit
    return _json(config)


def _scores(record: Mapping[str, Any] | None, gguf: Path | None) -> dict[str, Any]:
    """Return the scores of what is pushed by engine, without ids of documents.

    Those of documents that a user named may have the name of a file, and are left out.
    """
    kind = gguf.stem.removeprefix("model-") if gguf else "transformers"
    scores = {kind: record["scores"].get(kind)} if record else {}
    return {
        engine: {key: value for key, value in found.items() if key != "differing"}
        for engine, found in scores.items()
        if found is not None and found["split"] in SPLITS
    }


def _manifest(run: Run, kind: str, hashes: Mapping[str, str]) -> dict[str, Any]:
    info = run.info()
    base = info["base_model"]
    return {
        "fieldsmith": __version__,
        "plugin": info["plugin"]["name"],
        "kind": kind,
        "base_model": {**base, "name": without_folders(base["name"])},
        "data": {
            "sha256": info["data"]["sha256"],
            "documents": info["counts"]["documents"],
            "teachers": _teachers(run),
        },
        "files": dict(hashes),
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode()


def _blocks(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _hash(content: Content) -> str:
    digest = hashlib.sha256()
    for block in _blocks(content):
        digest.update(block)
    return digest.hexdigest()


def _require_nothing_private(
    files: Mapping[str, Content], run: Run, exported: Path | None, token: str | None
) -> None:
    """Refuse files that hold the token, a path of the run, the home folder or this machine's name.

    Short paths and names are looked for as whole words, and not in vocabularies, which hold many.
    """
    paths = _stored_paths(run) | {os.path.abspath(each) for each in (run.folder, exported) if each}
    long = {path.encode() for path in paths if path.count("/") > 1}
    names = sorted({*paths, socket.gethostname()} - {"localhost", ""})
    words = re.compile("|".join(rf"(?<![\w./~-]){re.escape(each)}(?![\w-])" for each in names))
    secret = {token.encode()} if token else set()
    for name, content in files.items():
        found = _first_of(content, secret | long)
        if found in secret:
            raise RunError(f"{name}: holds the access token; nothing was uploaded")
        is_text = not name.endswith((".safetensors", ".gguf")) and name not in _VOCABULARIES
        text = b"".join(_blocks(content)).decode(errors="replace") if is_text else ""
        if found or words.search(text) or without_home(text) != text:
            raise RunError(
                f"{name}: holds a path or a name of this machine; take it out of the plugin or the "
                f"base model that it comes from; nothing was uploaded"
            )


def _stored_paths(run: Run) -> set[str]:
    """Return the paths that run.json has, as they are written there and as they are absolute."""
    info = run.info()
    model = info["settings"].get("model", {}).get("value")
    stored = {info["data"]["source"], *info.get("paths", {})} - {None}
    if isinstance(model, str) and model.startswith(("~", os.sep)):
        stored.add(model)
    absolute = {os.path.abspath(os.path.expanduser(path)) for path in stored}
    return {path for path in stored if path.startswith(("~", os.sep))} | absolute


def _first_of(content: Content, wanted: set[bytes]) -> bytes | None:
    """Return one of some byte strings that a file holds; None if it holds none."""
    longest = max(map(len, wanted), default=0)
    before = b""
    for block in _blocks(content):
        joined = before + block
        if found := next((each for each in wanted if each in joined), None):
            return found
        before = joined[-longest:]
    return None
