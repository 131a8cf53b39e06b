"""Load a tokenizer, and refuse one that does not fit its model."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RunError, SettingsError
from ..settings import EMBEDDED, Settings
from .architecture import require_known_tokens, require_supported
from .library_output import foreign_prints_to_stderr
from .load_errors import cannot_load, reason_of
from .location import location, read_config
from .prompts import PromptFormat
from .quantization import require_usable_quantization

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.tiktoken", "tekken.json", "tokeniz*.py")
"""Files that a tokenizer is made of, one of which a folder has to have."""


def load_tokenizer(settings: Settings, folder: Path | None = None) -> PreTrainedTokenizerBase:
    """Load the tokenizer of the base model, or the one saved in a run's adapter folder.

    Raises:
        SettingsError: there is none, or by its config the model cannot be used.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    name = str(folder or location(settings))
    kind: Any = PreTrainedTokenizerFast
    config = None
    # That of the package is known; AutoTokenizer would import the architecture of the model.
    if folder or settings.model != EMBEDDED:
        kind = AutoTokenizer
        config = read_config(settings)
        require_supported(config, settings.model)
        require_usable_quantization(config, settings)
    _require_vocabulary(Path(name), settings if folder is None else None)
    try:
        with foreign_prints_to_stderr(settings):
            tokenizer: PreTrainedTokenizerBase = kind.from_pretrained(
                name,
                revision=None if folder else settings.revision,
                trust_remote_code=settings.trust_remote_code,
                # What belongs to a run is never looked for on the hub.
                local_files_only=folder is not None or Path(name).is_dir(),
            )
    except BaseException as error:  # for a broken file, tokenizers raises no narrower type
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        if folder is not None:
            raise RunError(
                f"{folder}: its tokenizer cannot be loaded: {reason_of(error)}"
            ) from error
        raise cannot_load(settings, error, needs=_missing_readers(Path(name))) from error
    if tokenizer.eos_token is None and tokenizer.chat_template:
        _name_end_token(tokenizer, config)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if config is not None:
        require_known_tokens(tokenizer, config, settings.model)
    return tokenizer


def _require_vocabulary(folder: Path, settings: Settings | None) -> None:
    """Refuse a folder without a tokenizer, for which transformers blames missing packages.

    Args:
        folder: of the tokenizer; one that is not there is the name of a hub model.
        settings: name the model that it is the folder of; None for the folder of a run.

    Raises:
        RunError: the folder of a run has none.
        SettingsError: that of a model has none.
    """
    if not folder.is_dir() or any(file for each in _VOCABULARIES for file in folder.glob(each)):
        return
    if settings is None:
        raise RunError(f"{folder}: has no tokenizer (tokenizer.json); restore it, or train again")
    raise SettingsError(
        f"model {settings.model}: the folder has no tokenizer (tokenizer.json); copy the tokenizer "
        f"files of the model that it was made of into it"
    )


def _missing_readers(folder: Path) -> str:
    """Say what has to be installed to read a tokenizer that is a file of SentencePiece alone."""
    is_alone = not (folder / "tokenizer.json").is_file() and any(folder.glob("*.model"))
    packages = {"sentencepiece": "sentencepiece", "google.protobuf": "protobuf"}
    if not is_alone or all(map(_is_installed, packages)):
        return ""
    return (
        f"its tokenizer is a file of SentencePiece and there is no tokenizer.json; "
        f"`pip install {' '.join(packages.values())}` installs what reads it"
    )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package that it is in
        return False


def _name_end_token(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig | None) -> None:
    """Give a tokenizer that names no end token that of its chat template, else of the config.

    Raises:
        SettingsError: neither names one, or the template cannot be used.
    """
    text: Any = config.get_text_config(decoder=True) if config else None
    named = getattr(text, "eos_token_id", None)
    end = named[0] if isinstance(named, list) and named else named
    if isinstance(end, int) and 0 <= end < len(tokenizer):
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(PromptFormat(tokenizer).end)
