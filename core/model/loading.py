"""Load base models, adapters, tokenizers and configs."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from ..errors import RunError, SettingsError
from ..settings import EMBEDDED, Settings
from .architecture import (
    BUILDING_ERRORS,
    auto_class,
    model_class,
    reason_of,
    require_known_tokens,
    require_supported,
)
from .attention import prompt_attention
from .devices import free_memory, pick_device, pick_precision
from .gguf import local_folder, source_digest
from .importing import import_model_libraries
from .prompts import PromptFormat
from .quantization import (
    computing_in,
    dequantized,
    keep_as_quantized,
    quantization,
    require_usable_quantization,
    stored_quantization,
)
from .weight_hashes import hash_weights
from .weights import load_adapter, require_all_weights, require_floats

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
"""The types of numbers that the setting ``precision`` names."""

_VOCABULARIES = ("tokenizer.json", "vocab*", "*.model", "*.tiktoken", "tekken.json", "tokeniz*.py")
"""Files that a tokenizer is made of, one of which a folder has to have."""

BF16_PARAMETERS = 50_000_000
"""Models from this many parameters on answer in bf16 on a CPU that has it."""

_COPIED_PARAMETERS = 200_000_000
"""Up to this many a second, merged copy of the model is loaded to generate with."""


def quieten() -> None:
    """Turn off progress bars, hints and warnings of the libraries; their errors still show."""
    import transformers

    # datasets, which only a training uses, reads these as it is imported.
    os.environ.setdefault("DATASETS_VERBOSITY", "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not torch.cuda.is_available():
        # Where it is installed accelerate imports DeepSpeed, which says what it guessed otherwise.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # peft uses a deprecated name of transformers; the user can do nothing about it.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch.distributed")
    # A tied layer in modules_to_save is trained and merged as a layer of its own.
    warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings", module="peft")
    warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")
    for name in ("bitsandbytes", "accelerate", "trl", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)


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


def _cached(settings: Settings, name: str) -> str | None:
    """Return the path of one of the model's files in the hub's cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(settings.model, name, revision=settings.revision or "main")
    return path if isinstance(path, str) else None


def has_local_weights(settings: Settings) -> bool:
    """Say whether the model's weights are in the package, in a folder, or in the hub's cache."""
    folder = Path(location(settings))
    if folder.is_dir():
        return any(folder.glob("*.safetensors"))
    names = ("model.safetensors", "model.safetensors.index.json")
    return any(_cached(settings, name) for name in names)


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


@contextlib.contextmanager
def foreign_prints_to_stderr(settings: Settings) -> Iterator[None]:
    """Keep what code of the model's own prints out of the output, which may be records."""
    with contextlib.redirect_stdout(sys.stderr) if settings.trust_remote_code else nullcontext():
        yield


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


def _no_config(settings: Settings, error: Exception) -> SettingsError:
    if runs_code := _untrusted(settings, error):
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
        raise _cannot_load(settings, error, needs=_missing_readers(Path(name))) from error
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


def load_base(
    settings: Settings, *, quantized: bool, device: torch.device, split: bool = False
) -> PreTrainedModel:
    """Load the base model for training.

    Args:
        settings: name the model and the precision.
        quantized: whether to quantise the weights (NF4, double quantisation).
        device: to load it on, if that is a GPU.
        split: whether the weights will be split among processes. They are loaded into main memory
            then, if they are not quantised, and 4-bit weights are stored as numbers of the
            precision: those that are stored as bytes cannot be split.

    Raises:
        SettingsError: there is no such model, it has no safetensors, or it does not load; or its
            weights are stored quantised in a way that does not fit the settings.
    """
    import_model_libraries()
    config = read_config(settings)
    precision = DTYPES[pick_precision(settings, device)]
    # Adapters over unquantised float32 weights train well under autocast; fp16 weights do not.
    dtype = torch.float32 if precision == torch.float16 or device.type == "cpu" else precision
    options: dict[str, Any] = {}
    require_usable_quantization(config, settings, split=split)
    stored = stored_quantization(config)
    if stored:
        options["config"] = computing_in(config, precision)
    elif quantized:
        options["quantization_config"] = quantization(precision, as_numbers=split)
    place = location(settings)
    if device.type == "cuda" and (quantized or not split):
        options["device_map"] = {"": device.index or 0}
    require_weights(settings)
    try:
        if Path(place).is_dir() and stored is None:
            require_floats(Path(place), settings.model)
        model: PreTrainedModel
        with foreign_prints_to_stderr(settings):
            model, loaded = auto_class(config).from_pretrained(
                place,
                dtype=dtype,
                revision=settings.revision,
                trust_remote_code=settings.trust_remote_code,
                attn_implementation=pick_attention(settings, device, config),
                use_safetensors=True,
                local_files_only=Path(place).is_dir(),
                output_loading_info=True,
                **options,
            )
    except (*BUILDING_ERRORS, OSError, SafetensorError) as error:
        raise _cannot_load(settings, error) from error
    require_all_weights(model, loaded, settings.model)
    if quantized:
        keep_as_quantized(model)
    return model


def pick_attention(
    settings: Settings, device: torch.device, config: PretrainedConfig | None = None
) -> str:
    """Return the attention implementation: FlashAttention if it is usable, else sdpa, else eager.

    FlashAttention has to be installed, and takes no masks.

    Args:
        settings: ``attention`` decides, unless it is "auto".
        device: to run on.
        config: of the model; None for one that supports each of them.
    """
    if settings.attention != "auto":
        return settings.attention
    from transformers.utils import is_flash_attn_2_available

    kind = model_class(config) if config else None
    usable = device.type == "cuda" and not prompt_attention(settings).needs_masks
    if usable and is_flash_attn_2_available() and (kind is None or kind._supports_flash_attn):
        return "flash_attention_2"
    return "sdpa" if kind is None or kind._supports_sdpa else "eager"


def load_for_inference(settings: Settings, adapter: Path | None) -> PreTrainedModel:
    """Load the model for inference: the base, with a run's adapter if one is given.

    After a training of all weights (``tuning`` "full") the adapter's folder holds the model itself.

    If memory allows (or ``settings.merge`` says so), the quantised weights are dequantised and the
    adapter is merged into them. These are exactly the weights it was trained over, and they
    generate several times faster than weights that are dequantised at every step.

    Raises:
        RunError: the adapter does not load.
        SettingsError: the base model does not.
    """
    device = pick_device()
    quantized = settings.quantize == "nf4"
    is_whole = settings.tuning == "full" and adapter is not None
    base = replace(settings, model=str(adapter), revision=None) if is_whole else settings
    model: Any = load_base(base, quantized=quantized, device=device)
    merging = settings.merge == "yes" or (settings.merge == "auto" and _fits(model, device))
    if merging:
        dtype = inference_dtype(device.type, pick_precision(settings, device))
        model = dequantized(model, dtype) if quantized else model.to(dtype)
    if adapter is not None and not is_whole:
        model = load_adapter(model, adapter)
        model = model.merge_and_unload() if merging else model
    if merging and _answers_in_bf16(model, settings, device):
        model = model.to(torch.bfloat16)
    if merging or not quantized:
        model = model.to(device)
    answering: PreTrainedModel = model.eval()
    return answering


def is_copied(parameters: int, settings: Settings) -> bool:
    """Say whether a trained model is copied and merged to generate with.

    Args:
        parameters: count of its parameters as they are stored; two 4-bit weights are one.
        settings: ``merge`` "no" forbids it.
    """
    return parameters <= _COPIED_PARAMETERS and settings.merge != "no"


def inference_dtype(device: str, precision: str) -> torch.dtype:
    """Return the dtype in which weights are merged on a type of device."""
    return torch.float32 if device == "cpu" else DTYPES[precision]


def _answers_in_bf16(model: PreTrainedModel, settings: Settings, device: torch.device) -> bool:
    """Say whether merged weights are rounded to bf16 on a CPU.

    With bf16 in hardware, that halves the memory of a large model and the time of its steps; those
    of a small one do not get shorter.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    is_large = parameters >= BF16_PARAMETERS
    return device.type == "cpu" and is_large and pick_precision(settings, device) == "bf16"


def _fits(model: PreTrainedModel, device: torch.device) -> bool:
    """Say whether dequantised weights take under half of the memory that is free."""
    parameters = sum(
        p.numel() * (2 if p.dtype == torch.uint8 else 1)  # a byte holds two NF4 weights
        for p in model.parameters()
    )
    width = 2 if device.type == "cuda" else 4
    return parameters * width < free_memory(device) / 2


def _untrusted(settings: Settings, error: BaseException) -> SettingsError | None:
    """Return the error for a model whose own code the user has not allowed, if it is that."""
    if settings.trust_remote_code or "trust_remote_code" not in str(error):
        return None
    return SettingsError(
        f"model {settings.model}: runs code of its own, which is in its repository; read it, and "
        f"if you trust it: --set trust_remote_code=true"
    )


def _cannot_load(settings: Settings, error: BaseException, *, needs: str = "") -> SettingsError:
    if runs_code := _untrusted(settings, error):
        return runs_code
    return SettingsError(f"model {settings.model}: cannot be loaded: {needs or reason_of(error)}")
