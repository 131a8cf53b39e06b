"""What will work on this machine: each thing that training needs, tried rather than guessed.

Every check is a function that returns rows; none of them raises for what it finds.
"""

from __future__ import annotations

import http.client
import importlib.util
import logging
import os
import platform
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import plugins

if TYPE_CHECKING:
    import torch

State = Literal["ok", "warn", "fail"]

DISTRIBUTION = "fieldsmith"
HUB_SECONDS = 3.0
LOW_MEMORY = 2 * 2**30
"""Bytes under which even the embedded model's training may be killed."""

CONTROL_GROUP = Path("/sys/fs/cgroup")

FOUR_BIT_ERROR = 0.2
"""Relative error over which a 4-bit layer is wrong; NF4 itself loses about 0.09."""

WITHOUT_FOUR_BITS = "see https://huggingface.co/docs/bitsandbytes, or --set quantize=none"
REINSTALL = f"pip install --force-reinstall {DISTRIBUTION}"

_HEAVY = ("torch", "bitsandbytes")


@dataclass(frozen=True)
class Check:
    """One row: how it stands, what was looked at, what was found, and what to do about it.

    state: "fail" where training could not run, "warn" where something is missing or slower.
    """

    state: State
    what: str
    detail: str
    advice: str = ""


def examine() -> list[Check]:
    """Return every check of this machine, in the order in which to read them."""
    # The hub is asked while torch is imported: both take seconds.
    hub = _in_background(check_hub)
    checks = [
        row for check in (check_python, check_packages, check_device) for row in _tried(check)
    ]
    checks += [*_tried(check_memory), hub(), *_tried(check_plugins)]
    return checks


def can_train(checks: list[Check]) -> bool:
    """Say whether training could run at all."""
    return all(check.state != "fail" for check in checks)


def check_python() -> Iterator[Check]:
    """Compare the interpreter with what the installed distribution asks for."""
    wanted = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    detail = (
        f"{platform.python_version()} (needs {wanted}), {platform.system()} {platform.machine()}"
    )
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(wanted).contains(platform.python_version(), prereleases=True):
        yield Check("ok", "python", detail)
    else:
        yield Check("fail", "python", detail, "install fieldsmith with another Python")


def check_packages() -> Iterator[Check]:
    """Compare each required package with the range that the installed distribution declares."""
    from packaging.requirements import Requirement

    for line in metadata.requires(DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check("fail", requirement.name, "is missing", f"pip install '{wanted}'")
            continue
        if requirement.specifier.contains(version, prereleases=True):
            yield Check("ok", requirement.name, f"{version} (needs {requirement.specifier})")
        else:
            detail = f"{version}, but {requirement.specifier} is needed"
            yield Check("fail", requirement.name, detail, f"pip install '{wanted}'")


def check_device() -> Iterator[Check]:
    """Look at what would train, and train a 4-bit layer on it for one step."""
    # It tells on the CPU that optional kernels are missing, and works without them.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    for name in _HEAVY:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken binary fails in many ways
            detail = f"cannot be imported: {type(error).__name__}: {error}"
            yield Check("fail", name, detail, f"pip install --force-reinstall {name}")
            return
    device = _device()
    yield _device_check(device)
    if device.type == "cuda":
        yield _gpus_check()
    yield _bf16_check(device)
    yield _attention_check()
    yield check_four_bits(device)


def check_four_bits(device: torch.device) -> Check:
    """Run a 4-bit layer with an adapter forward and backward, and compare it with its weights."""
    detail = f"NF4, double quantisation, one step on {device.type}"
    try:
        error, learns = _step_in_four_bits(device)
    except Exception as failure:  # whatever it is, QLoRA does not run here
        detail = f"{detail}: {type(failure).__name__}: {failure}"
        return Check("fail", "4-bit training", detail, WITHOUT_FOUR_BITS)
    detail = f"{detail}, off by {error:.0%}"
    if learns and error < FOUR_BIT_ERROR:  # false, too, where it is not a number
        return Check("ok", "4-bit training", detail)
    return Check("fail", "4-bit training", f"{detail}: wrong", WITHOUT_FOUR_BITS)


def _step_in_four_bits(device: torch.device) -> tuple[float, bool]:
    """Return how far the layer is from its weights, and whether the adapter got a gradient."""
    import torch
    from bitsandbytes.nn import Linear4bit

    width, rank = 64, 4
    # A generator of its own leaves the caller's random numbers as they were.
    noise = torch.Generator().manual_seed(0)
    layer = Linear4bit(width, width, bias=False, compute_dtype=torch.float32, quant_type="nf4")
    layer.weight.data = torch.randn(width, width, generator=noise)
    inputs = torch.randn(8, width, generator=noise)
    down = torch.randn(rank, width, generator=noise).to(device)
    up = torch.zeros(width, rank, device=device, requires_grad=True)
    expected = inputs @ layer.weight.data.T
    layer, inputs = layer.to(device), inputs.to(device)  # the move quantises
    answer = layer(inputs)
    (answer + inputs @ down.T @ up.T).square().mean().backward()
    error = float((answer.detach().cpu() - expected).norm() / expected.norm())
    return error, up.grad is not None and bool(up.grad.isfinite().all() and up.grad.any())


def _device() -> torch.device:
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _device_check(device: torch.device) -> Check:
    import torch

    build = f"torch {torch.__version__}"
    if device.type == "cuda":
        return Check("ok", "device", f"cuda {torch.version.cuda}, {build}")
    if device.type == "mps":
        return Check("ok", "device", f"mps (Apple), {build}")
    detail = f"cpu, {torch.get_num_threads()} threads, {build}"
    # An NVIDIA driver that torch does not see is the most usual reason for a slow training.
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        advice = "there is an NVIDIA driver: install a CUDA build of torch that suits it"
        return Check("warn", "device", detail, f"{advice} (https://pytorch.org)")
    return Check("ok", "device", detail)


def _gpus_check() -> Check:
    import torch

    count = torch.cuda.device_count()
    names = ", ".join(
        f"{torch.cuda.get_device_name(index)} "
        f"{torch.cuda.get_device_properties(index).total_memory / 2**30:.0f} GiB"
        for index in range(count)
    )
    if count == 1:
        return Check("ok", "GPUs", f"{names}; one process trains on it")
    advice = f"--gpus {count} trains on all, one process each, through accelerate"
    return Check("ok", "GPUs", f"{names}; one process trains on the first", advice)


def _bf16_check(device: torch.device) -> Check:
    import torch

    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # Without these instructions bf16 is emulated, and slower than float32.
        capable: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = any(capable.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    else:
        fast = True
    if fast:
        return Check("ok", "bf16", f"in hardware on {device.type}")
    return Check("ok", "bf16", f"not in hardware on {device.type}: another precision is faster")


def _attention_check() -> Check:
    if importlib.util.find_spec("flash_attn"):
        return Check("ok", "attention", f"flash-attn {_version('flash_attn')}")
    return Check("ok", "attention", "sdpa, PyTorch's own; flash-attn is not installed")


def check_memory() -> Iterator[Check]:
    """Look at the main memory that is free, within what a container allows."""
    import psutil

    memory = psutil.virtual_memory()
    total, free = _within_container(memory.total, memory.available)
    detail = f"{free / 2**30:.1f} GiB free of {total / 2**30:.1f}"
    if free < LOW_MEMORY:
        yield Check("warn", "memory", detail, "close other programs, or training may be killed")
    else:
        yield Check("ok", "memory", detail)


def _within_container(total: int, free: int) -> tuple[int, int]:
    """Lower the machine's figures to the limit of the control group, where there is one."""
    try:
        limit = int((CONTROL_GROUP / "memory.max").read_text())
        used = int((CONTROL_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no control group, or "max"
        return total, free
    return min(total, limit), min(free, max(limit - used, 0))


def check_hub() -> Check:
    """Ask the Hugging Face hub for a sign of life; only other base models need it."""
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    advice = "not needed for the embedded model; others need it once, or a folder as --set model"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return Check("warn", "hub", "switched off by HF_HUB_OFFLINE", advice)
    try:
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=HUB_SECONDS):
            return Check("ok", "hub", f"{address} answers")
    except urllib.error.HTTPError as error:
        return Check("warn", "hub", f"{address} answers with {error.code}", advice)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Check("warn", "hub", f"{address} is not reached: {reason}", advice)


def check_plugins() -> Iterator[Check]:
    """Load each installed plugin; a broken one does not keep the others from training."""
    entries = plugins.find()
    if not entries:
        yield Check("warn", "plugins", "none is installed", f"pip install {DISTRIBUTION}")
    for entry in entries:
        state = plugins.state_of(entry)
        detail = f"{entry.name} ({entry.origin})"
        if state in {plugins.OK, plugins.WRAPPER}:
            yield Check("ok", "plugin", detail)
        else:
            yield Check("warn", "plugin", f"{detail} {state}", "mend it or uninstall it")


def _tried(check: Callable[[], Iterable[Check]]) -> list[Check]:
    """Return a check's rows; one that lacks a package itself is a row like the others."""
    try:
        return list(check())
    except ImportError as error:
        what = check.__name__.removeprefix("check_")
        return [Check("fail", what, f"cannot be looked at: {error}", REINSTALL)]


def _in_background(check: Callable[[], Check]) -> Callable[[], Check]:
    """Start a check in a thread; the result waits for it, but no longer than the hub's time.

    A name server that does not answer is outside of any socket's time limit.
    """
    found: list[Check] = []
    thread = threading.Thread(target=lambda: found.append(check()), daemon=True)
    thread.start()

    def result() -> Check:
        thread.join(HUB_SECONDS)
        late = Check("warn", "hub", f"no answer in {HUB_SECONDS:.0f} seconds", "see your network")
        return found[0] if found else late

    return result


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of unknown version"
