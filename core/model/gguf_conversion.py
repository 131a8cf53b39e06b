"""Convert a GGUF file to a model folder, and check what came out."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError
from ..files import write_atomically
from ..progress import meter, say
from .gguf_header import GgufHeader, read_header
from .gguf_rotary import rotary_parameters

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_PROBE = "Aspirin (500 mg) was given on 12/03/2024;\n\n\t17 of 42 patients: \"naïve\" {'x': [1]}"
"""Text that has to survive encoding and decoding."""

_FIRST_DIGITS = frozenset({"smollm"})
"""Ways of cutting text, as llama.cpp calls them, that cut out each digit before GPT-2's do."""

_AS_GPT2 = frozenset({"gpt-2", "mpt", "olmo", "jais"})
"""Those that are GPT-2's."""

_README = """\
# {name}

A model folder made by fieldsmith from a GGUF file. Do not edit it: its files are checked by hash.

- Source: {source}
- SHA-256 of the source: `{digest}`
- Licence, as the source states it: {licence}
- Weights: {storage} in the source; dequantised to float32 and rounded to bfloat16. What was lost
  when they were quantised does not come back.
- Tokenizer, chat template and config: rebuilt from the metadata of the source.
"""


def convert(file: Path, folder: Path, source: str, digest: str, *, output: Path) -> None:
    """Convert a GGUF file to a folder of safetensors, config, tokenizer and README.md.

    Args:
        file: the GGUF file.
        folder: is created; must not exist. Nothing is written before the file has been checked.
        source: where the file comes from, for README.md.
        digest: SHA-256 of the file, for README.md.
        output: what the folder will be called, which is printed.

    Raises:
        SettingsError: the file cannot be converted, or what came out is not sound.
        OutputError: the folder cannot be written.
    """
    from safetensors import SafetensorError
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    header = read_header(file)
    config = _config(header)
    tokenizer = _tokenizer(header)
    say(f"{file.name}: converting to a model folder, once: {output}")
    model = _model(header, config)
    try:
        folder.mkdir(parents=True)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for weights in folder.glob("*.safetensors"):
            shutil.copymode(folder / "config.json", weights)  # safetensors lets only the owner read
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{folder}: cannot be written ({reason})") from error
    del model
    metadata = header.metadata
    text = _README.format(
        name=metadata.get("general.name") or file.stem,
        source=source,
        digest=digest,
        licence=metadata.get("general.license") or "not stated",
        storage=", ".join(header.storage),
    )
    write_atomically(folder / "README.md", text)
    _check_model(folder, header)
    _check_tokenizer(folder, header, tokenizer)


def _config(header: GgufHeader) -> PretrainedConfig:
    """Return the config that transformers reads from the metadata, with what it leaves out.

    Raises:
        SettingsError: transformers does not know the architecture, or it makes no causal model of
            it, or one with other weights than the file has.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config: Any = AutoConfig.from_pretrained(header.path.parent, gguf_file=header.path.name)
        for key in ("block_count", "embedding_length", "attention.head_count"):
            if header.shape(key) is None:  # transformers takes a default of its own
                raise KeyError(f"the metadata lacks {header.architecture}.{key}")
        _complete(config, header)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    # A missing entry of the metadata shows as one of many errors.
    except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(" Model type should be one of")[0][:200]
        raise header.refuse(
            f"transformers makes no causal model of the architecture {header.architecture}: "
            f"{reason or type(error).__name__}"
        ) from error
    # Of a tied pair both names hold one tensor.
    tensors = {id(tensor): tensor for tensor in model.state_dict(keep_vars=True).values()}
    wanted = sum(tensor.numel() for tensor in tensors.values())
    if wanted != header.elements:
        raise header.refuse(
            f"holds {header.elements:,} weights where the architecture {header.architecture}, as "
            f"transformers knows it, has {wanted:,}"
        )
    return config  # type: ignore[no-any-return]


_LAYERS_OF_GEMMA_27B = {46, 62}
"""Layers of Gemma 2 27B and Gemma 3 27B, which scale attention by their width for each head; other
Gemmas by the width of a head. No metadata says so: llama.cpp, too, decides by the layers."""


def _complete(config: Any, header: GgufHeader) -> None:
    """Set what transformers leaves at a default that is another model's."""
    for name in ("_model_name_or_path", "unk_token_id"):
        vars(config).pop(name, None)
    head, heads = header.shape("attention.key_length"), config.num_attention_heads
    if head and (hasattr(config, "head_dim") or head * heads != config.hidden_size):
        config.head_dim = head
    if head and hasattr(config, "query_pre_attn_scalar"):
        is_27b = header.shape("block_count") in _LAYERS_OF_GEMMA_27B
        config.query_pre_attn_scalar = config.hidden_size // heads if is_27b else head
    window = header.shape("attention.sliding_window")
    if window and hasattr(config, "sliding_window"):
        config.sliding_window = window
    original = header.shape("rope.scaling.original_context_length")
    if original and hasattr(config, "original_max_position_embeddings"):
        config.original_max_position_embeddings = original
    if (rope := getattr(config, "rope_parameters", None)) is not None:
        config.rope_parameters = rotary_parameters(rope, config, header)


def _tokenizer(header: GgufHeader) -> PreTrainedTokenizerBase:
    from tokenizers import pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    try:
        tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(
            header.path.parent, gguf_file=header.path.name
        )
    except Exception as error:  # for a broken vocabulary, tokenizers raises no narrower type
        reason = " ".join(str(error).split())[:200]
        raise header.refuse(f"its tokenizer cannot be built: {reason}") from error
    cutting = header.metadata.get("tokenizer.ggml.pre")
    if header.metadata.get("tokenizer.ggml.model") == "gpt2":
        if cutting in _FIRST_DIGITS:
            # transformers cuts it as GPT-2 does, which makes other tokens of "\n\n1".
            tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Digits(individual_digits=True),
                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
                ]
            )
        elif cutting not in {*GGUF_PRE_TOKENIZER_SPLITS, *_AS_GPT2}:
            say(
                f"warning: {header.path.name}: how its tokenizer cuts text ({cutting}) is not "
                f"known here; it is cut as for GPT-2, so some tokens may be others than in the "
                f"model's own training"
            )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if positions := header.shape("context_length"):
        tokenizer.model_max_length = positions
    return tokenizer  # type: ignore[no-any-return]


def _model(header: GgufHeader, config: PretrainedConfig) -> PreTrainedModel:
    """Dequantise the weights into a model in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig, GgufConfig

    with _progress(header):
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                header.path.parent,
                gguf_file=header.path.name,
                config=config,
                dtype=torch.bfloat16,
                quantization_config=GgufConfig(dequantize=True),
                output_loading_info=True,
            )
        except (LookupError, NotImplementedError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise header.refuse(f"its weights cannot be loaded: {reason}") from error
    model, loading = loaded
    if missing := sorted(loading["missing_keys"]):
        raise header.refuse(f"lacks weights of its architecture, such as {missing[0]}")
    ends = [header.token(name) for name in ("eos", "eot", "eom")]
    stops = list(dict.fromkeys(token for token in ends if token is not None))
    padding = header.token("padding")
    model.generation_config = GenerationConfig(
        bos_token_id=header.token("bos"),
        eos_token_id=stops if len(stops) > 1 else stops[0],
        pad_token_id=stops[0] if padding is None else padding,
    )
    converted: PreTrainedModel = model
    return converted


@contextmanager
def _progress(header: GgufHeader) -> Iterator[None]:
    """Show the conversion of tensors as this package does, in place of the library's own bar."""
    from transformers import modeling_gguf_pytorch_utils as loader

    def counted(tensors: Iterable[Any], **_options: object) -> Iterator[Any]:
        with meter("converting", sum(header.storage.values()), "tensors") as shown:
            for tensor in tensors:
                yield tensor
                shown.advance()

    before = loader.tqdm
    loader.tqdm = counted
    try:
        yield
    finally:
        loader.tqdm = before


def _check_model(folder: Path, header: GgufHeader) -> None:
    """Load the folder and compare it with the metadata.

    Raises:
        SettingsError: it does not load, a weight is not finite, or something differs.
    """
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype="auto", use_safetensors=True, output_loading_info=True
    )
    model, loading = loaded
    for kind, keys in loading.items():
        if keys:
            raise header.refuse(f"after conversion it does not load: {kind}: {sorted(keys)[:3]}")
    for name, weights in model.named_parameters():
        if not bool(weights.isfinite().all()):
            raise header.refuse(f"the weights of {name} are not all finite; the file is damaged")
    config = model.config
    embeddings = model.get_input_embeddings().weight
    tied = model.get_output_embeddings().weight is embeddings
    found = {
        "tied head": (tied, config.tie_word_embeddings),
        "layers": (config.num_hidden_layers, header.shape("block_count")),
        "rows of the vocabulary": (
            len(embeddings),
            header.shape("vocab_size") or header.metadata["tokenizer.ggml.tokens"],
        ),
    }
    _compare(found, header)


def _check_tokenizer(folder: Path, header: GgufHeader, built: PreTrainedTokenizerBase) -> None:
    """Load the tokenizer of the folder and compare it with the metadata, and with ``built``.

    Raises:
        SettingsError: something differs, or a text does not survive encoding and decoding.
    """
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode(_PROBE, add_special_tokens=False)
    padding = header.token("padding")
    found = {
        "tokens of a text": (ids, built.encode(_PROBE, add_special_tokens=False)),
        "a text, encoded and decoded": (tokenizer.decode(ids).lstrip(), _PROBE),
        "chat template": (tokenizer.chat_template, header.metadata["tokenizer.chat_template"]),
        "bos": (tokenizer.bos_token_id, header.token("bos")),
        "eos": (tokenizer.eos_token_id, header.token("eos")),
        "pad": (tokenizer.pad_token_id, header.token("eos") if padding is None else padding),
        "tokens beyond the vocabulary": (
            max(0, len(tokenizer) - header.metadata["tokenizer.ggml.tokens"]),
            0,
        ),
    }
    _compare(found, header)


def _compare(found: dict[str, tuple[Any, Any]], header: GgufHeader) -> None:
    for what, (ours, theirs) in found.items():
        if ours != theirs:
            raise header.refuse(
                f"the conversion is not sound: {what}: {str(ours)[:60]!r}, where the file has "
                f"{str(theirs)[:60]!r}"
            )
