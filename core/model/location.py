"""Where a base model is: a folder, the package or the hub; its identity, config and weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..settings import EMBEDDED, Settings
from .gguf import local_folder, source_digest
from .library_output import foreign_prints_to_stderr
from .load_errors import own_code_error, reason_of
from .weight_hashes import hash_weights

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def location(settings: Settings) -> str:
    """Return the folder or Hugging Face id of the base model.

    Raises:
        SettingsError: the model is a GGUF file that is missing or cannot be converted.
    """
    if settings.model == EMBEDDED:
        return str(Path(__file__).parent.parent / "base")
    return str(local_folder(settings.model) or settings.model)


def identity(settings: Settings) -> dict[str, str]:
    """Return the base model's name, and a hash of its weights (a folder) or its commit (the hub).

    A folder that was made of a GGUF file has the hash of that file, too.

    Raises:
        SettingsError: the model was a folder that does not exist any more.
    """
    folder = Path(location(settings))
    if not folder.is_dir():
        if _is_commit(settings.revision):  # which names the weights, in the cache or not
            return {"name": settings.model, "commit": str(settings.revision)}
        from huggingface_hub.errors import HFValidationError

        try:
            cached = _cached(settings, "config.json")
        except HFValidationError as error:  # the path of a folder that is gone
            raise SettingsError(f"model {settings.model}: no such folder") from error
        return {"name": settings.model, "commit": Path(cached).parent.name if cached else ""}
    found = {"name": settings.model, "sha256": hash_weights(folder)}
    made_of = source_digest(folder)
    return {**found, "gguf_sha256": made_of} if made_of else found


def is_same(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Say whether two identities are of the same weights, wherever those are."""
    return all(one.get(key) == other.get(key) for key in (one.keys() | other.keys()) - {"name"})


def pinned(settings: Settings) -> Settings:
    """Return settings that name the commit of a hub model, so that every load reads the same.

    A branch or tag, or none, is resolved once: by the hub, or where it is not reached by the cache.

    Raises:
        SettingsError: there is no such model, or neither hub nor cache has it.
    """
    if _is_commit(settings.revision) or Path(location(settings)).is_dir():
        return settings
    from huggingface_hub import hf_hub_download

    _require_hub(settings)
    try:
        file = hf_hub_download(settings.model, "config.json", revision=settings.revision)
    except Exception as error:  # the hub's client raises many types
        raise _no_config(settings, error) from error
    return replace(settings, revision=Path(file).parent.name)


def _is_commit(revision: str | None) -> bool:
    return revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None


def has_local_weights(settings: Settings) -> bool:
    """Say whether the model's weights are in the package, in a folder, or in the hub's cache."""
    folder = Path(location(settings))
    if folder.is_dir():
        return any(folder.glob("*.safetensors"))
    names = ("model.safetensors", "model.safetensors.index.json")
    return any(_cached(settings, name) for name in names)


def require_weights(settings: Settings) -> None:
    """Refuse a folder without safetensors, before anything else is read.

    Raises:
        SettingsError: says what the folder holds instead, and how to convert it.
    """
    folder = Path(location(settings))
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return
    kinds = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
    others = sorted(file.name for kind in kinds for file in folder.glob(kind))
    pickled = [name for name in others if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    if not others:
        why = "the folder has no weights (*.safetensors)"
    elif not pickled:
        why = f"of weights the folder has {others[0]}; safetensors are wanted"
    else:
        why = (
            f"of weights the folder has {pickled[0]}, a pickle, which could run any code; if you "
            f"trust it, transformers converts it to safetensors: AutoModelForCausalLM."
            f"from_pretrained({settings.model!r}).save_pretrained({settings.model!r})"
        )
    raise SettingsError(f"model {settings.model}: cannot be loaded: {why}")


def read_config(settings: Settings) -> PretrainedConfig:
    """Read the model's config from a folder, from the package, or from the hub.

    Raises:
        SettingsError: there is none, or it cannot be reached.
    """
    from transformers import AutoConfig

    name = location(settings)
    if Path(name).is_absolute() and not Path(name).is_dir():
        raise SettingsError(f"model {settings.model}: no such folder")
    _require_hub(settings)
    try:
        with foreign_prints_to_stderr(settings):
            config: PretrainedConfig = AutoConfig.from_pretrained(
                name,
                revision=settings.revision,
                trust_remote_code=settings.trust_remote_code,
            )
    except Exception as error:  # for a broken file, transformers raises no narrower type
        raise _no_config(settings, error) from error
    return config


def _cached(settings: Settings, name: str) -> str | None:
    """Return the path of one of the model's files in the hub's cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(settings.model, name, revision=settings.revision or "main")
    return path if isinstance(path, str) else None


def _require_hub(settings: Settings) -> None:
    """Ask the hub once for a model of which nothing is cached; its client asks for half a minute.

    Raises:
        SettingsError: there is no connection to it.
    """
    if Path(location(settings)).exists():
        return
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HFValidationError

    try:
        if _cached(settings, "config.json") is None:
            url = hf_hub_url(settings.model, "config.json", revision=settings.revision)
            get_hf_file_metadata(url)
    except HFValidationError:
        return  # it is no name of the hub
    except Exception as error:
        # What the hub answers is for the client to read.
        if type(error).__module__.partition(".")[0].startswith("httpx"):
            away = ConnectionError(f"the Hugging Face hub cannot be reached: {error}")
            raise _no_config(settings, away) from error


def _no_config(settings: Settings, error: Exception) -> SettingsError:
    if runs_code := own_code_error(settings, error):
        return runs_code
    folder = Path(location(settings))
    if folder.is_dir() and not (folder / "config.json").is_file():
        return SettingsError(
            f"model {settings.model}: its config cannot be read: {_what_else(folder)}"
        )
    return SettingsError(
        f"model {settings.model}: its config cannot be read: {reason_of(error)} "
        f"(name a folder with a config.json, or go online; a gated model wants `hf auth login`)"
    )


def _what_else(folder: Path) -> str:
    """Say what a folder is that has no config.json, and what to name in its place."""
    if files := sorted(folder.glob("*.gguf")):
        names = ", ".join(file.name for file in files[:3]) + (", …" if files[3:] else "")
        return f"the folder holds GGUF files ({names}); name one of them: --model {files[0]}"
    if (folder / "adapter_config.json").is_file():
        return (
            "the folder holds an adapter and no base model; name the model that it was trained "
            "over, or merge both (extract merge does it for a run)"
        )
    if (folder / "run.json").is_file():
        return "the folder is a run; `extract merge` makes a model folder of it"
    return "the folder has no config.json; name the folder of a model, with config and safetensors"
