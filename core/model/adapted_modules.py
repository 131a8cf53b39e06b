"""Which modules of a model get adapters, known from its structure before any weight is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SettingsError, did_you_mean
from ..settings import Settings
from .architecture import language_linears

if TYPE_CHECKING:
    from torch.nn import Module
    from transformers import PreTrainedModel

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
"""How configs of transformers call the number of experts."""


def check_modules(model: PreTrainedModel, settings: Settings) -> None:
    """Raise SettingsError for a module that is missing in the model or cannot be adapted."""
    known = {name.rpartition(".")[2] for name, _module in model.named_modules() if name}
    known = {name for name in known if not name.isdigit()}
    targets = _targets(settings)
    _refuse_experts(model, settings)
    for setting, names in (
        ("lora_targets", [] if isinstance(targets, str) else targets),
        ("modules_to_save", settings.modules_to_save),
    ):
        for name in names:
            if name.rpartition(".")[2] not in known:
                raise SettingsError(
                    f"{setting}: {settings.model} has no module {name!r}; "
                    f"{did_you_mean(name, known)}"
                )
    if "lm_head" in targets:  # the loss reads its weights, and would miss the adapter
        raise SettingsError("lora_targets: lm_head cannot be adapted; name it in modules_to_save")


def adapted_modules(model: PreTrainedModel, settings: Settings) -> str | list[str]:
    """Return the modules to adapt, as PEFT takes them.

    Those that read images get no adapter, as no image is read; neither do experts and what chooses
    among them.
    """
    targets, language, left_out = _targets(settings), language_linears(model), _of_experts(model)
    if language is None and not _experts(model):
        return targets
    inside = _linears(model) if language is None else language
    chosen = tuple(f".{name}" for name in targets)
    found = [
        name
        for name in inside
        if name not in left_out and (targets == "all-linear" or f".{name}".endswith(chosen))
    ]
    last = {name.rpartition(".")[2] for name in found}
    # By the last names where these are of them alone: as every engine reads them.
    is_plain = language is None and not last & {name.rpartition(".")[2] for name in left_out}
    return sorted(last) if is_plain else found


def _targets(settings: Settings) -> str | list[str]:
    if settings.lora_targets == "all-linear":
        return settings.lora_targets
    return [name.strip() for name in settings.lora_targets.split(",") if name.strip()]


def _refuse_experts(model: PreTrainedModel, settings: Settings) -> None:
    """Raise SettingsError where targets of a mixture of experts name its experts or a router."""
    targets = _targets(settings)
    if isinstance(targets, str) or not _experts(model):
        return
    left_out = _of_experts(model)
    usable = sorted({n.rpartition(".")[2] for n in _linears(model) if n not in left_out})
    for name in targets:
        if name.rpartition(".")[2] not in usable:
            raise SettingsError(
                f"lora_targets: {name} of {settings.model}, a mixture of experts, cannot be "
                f"adapted; leave lora_targets out, or choose among what can: "
                f"--set lora_targets={','.join(usable)}"
            )


def _of_experts(model: PreTrainedModel) -> set[str]:
    """Return the names of linear layers that get no adapter in a mixture of experts.

    These are routers, which do not return what a linear layer does, and those by whose names PEFT
    means experts: it would adapt the stacked weights of all experts, quantised or not, and write
    patterns of names into the adapter's configuration.
    """
    from peft import LoraConfig
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    count = _experts(model)
    if not count:
        return set()
    linears = _linears(model)
    routers = {name for name, module in linears.items() if _is_router(name, module, count)}
    config = LoraConfig(target_modules=list(linears))
    convert_peft_config_for_transformers(config, model, None)
    kept: Any = config.target_modules
    return routers | (linears.keys() - set(kept))


def _experts(model: PreTrainedModel) -> set[int]:
    """Return how many experts a layer has; an empty set if the model has none."""
    text: Any = model.config.get_text_config(decoder=True)
    counts = {getattr(text, name, None) for name in _EXPERTS}
    return {count for count in counts if isinstance(count, int) and count > 1}


def _is_router(name: str, module: Module, experts: set[int]) -> bool:
    """Say whether a linear layer chooses among experts."""
    from torch.nn import Linear

    has_own_forward = type(module).forward is not Linear.forward
    is_called_so = "router" in name or name.rpartition(".")[2] == "gate"
    return getattr(module, "out_features", None) in experts and (is_called_so or has_own_forward)


def _linears(model: PreTrainedModel) -> dict[str, Module]:
    """Return the linear layers of a model but its head, by their names."""
    from torch.nn import Linear

    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, Linear) and module is not head
    }
