"""What is asked of a model's architecture, known from its config before any weights are loaded.

A model of vision and language is a causal model, too: its language part is trained and asked.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

_LAYER_TYPES = frozenset(("full_attention", "sliding_attention"))
_ARGUMENTS = ("position_ids", "attention_mask", "past_key_values", "logits_to_keep")


def auto_class(config: PretrainedConfig) -> Any:
    """Return the class of transformers that makes the language model of a config."""
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    known = AutoModelForCausalLM, AutoModelForImageTextToText
    fitting = (auto for auto in known if type(config) in auto._model_mapping)
    return next(fitting, AutoModelForCausalLM)


def model_class(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """Return the class of the language model of a config; None where transformers has none."""
    mapping = auto_class(config)._model_mapping
    if type(config) not in mapping:
        return None
    found: Any = mapping[type(config)]
    # Where several classes fit, from_pretrained and from_config take the first, too.
    kind: type[PreTrainedModel] = found[0] if isinstance(found, tuple) else found
    return kind


def require_supported(config: PretrainedConfig, name: str) -> None:
    """Refuse a model that cannot be trained or asked here, before its weights are loaded.

    Code of a model's own (``trust_remote_code``) is not known yet; it is checked with the weights.

    Raises:
        SettingsError: names the model, and says why.
    """
    kind = model_class(config)
    if kind is not None:
        why = why_unsupported(kind, config)
    elif config.is_encoder_decoder:
        why = "it has an encoder"
    elif getattr(config, "auto_map", None):
        return
    else:
        why = f"transformers has no causal language model of the type {config.model_type}"
    if why:
        raise unsupported(f"model {name}", why)


def why_unsupported(kind: type[PreTrainedModel], config: PretrainedConfig) -> str:
    """Say why a class of models cannot read on from any position of a text; "" if it can."""
    text: Any = config.get_text_config(decoder=True)
    unknown = set(getattr(text, "layer_types", None) or ()) - _LAYER_TYPES
    arguments = inspect.signature(kind.forward).parameters
    missing = [name for name in _ARGUMENTS if name not in arguments]
    if config.is_encoder_decoder:
        return "it has an encoder"
    if kind._is_stateful:
        return "it has a recurrent state, which cannot be taken back"
    if unknown:
        return f"it has layers of the type {min(unknown)}"
    if getattr(text, "alibi", False) or getattr(text, "position_embedding_type", "") == "alibi":
        return "its attention has ALiBi biases, which know no branches of a text"
    if missing:
        return f"its forward takes no {missing[0]}"
    if not kind._supports_attention_backend:
        return "its attention takes no mask of four dimensions"
    return ""


def unsupported(model: str, why: str) -> SettingsError:
    """Return the error for a model that cannot be used."""
    return SettingsError(
        f"{model} cannot be used: {why}; choose a decoder whose attention keeps keys and values, "
        f"such as LLaMA, Mistral, Qwen or Gemma"
    )


def require_known_tokens(
    tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig, name: str
) -> None:
    """Refuse a tokenizer that writes tokens which the model has no embedding for.

    Added tokens that the chat template does not write may lack one, such as those of images.

    Raises:
        SettingsError: names the model and the token.
    """
    size = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    if size is None:
        return
    added = tokenizer.get_added_vocab()
    written = f"{tokenizer.chat_template}{tokenizer.bos_token}{tokenizer.eos_token}"
    unknown = (
        (number, token)
        for token, number in tokenizer.get_vocab().items()
        if number >= size and (token not in added or token in written)
    )
    if first := min(unknown, default=None):
        raise SettingsError(
            f"model {name}: its tokenizer writes {first[1]!r} as token {first[0]}, and the model "
            f"has {size} tokens; take the tokenizer that belongs to it, or resize its embeddings"
        )


def language_linears(model: PreTrainedModel) -> list[str] | None:
    """Return the names of the linear layers of a model's language part.

    Returns:
        None where all linear layers but the head are in it, as in a model of text alone.
    """
    from torch.nn import Linear

    inside = set(model.get_decoder().modules())
    head = model.get_output_embeddings()
    linear = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Linear) and module is not head
    }
    found = [name for name, module in linear.items() if module in inside]
    return None if len(found) == len(linear) else found
