"""Check the packages, devices, memory and base model that this process has.

Each check yields rows; what it finds wrong becomes a row, not an exception.
"""

from __future__ import annotations

import http.client
import importlib
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

from .. import plugins

if TYPE_CHECKING:
    import torch

DISTRIBUTION = "fieldsmith"
HUB_SECONDS = 3.0
LOW_MEMORY = 2 * 2**30
"""Bytes under which even the embedded model's training may be killed."""

FOUR_BIT_ERROR = 0.2
"""Relative error over which a 4-bit layer is wrong; NF4 itself loses about 0.09."""

WITHOUT_FOUR_BITS = "see https://huggingface.co/docs/bitsandbytes, or --set quantize=none"
REINSTALL = f"pip install --force-reinstall {DISTRIBUTION}"


@dataclass(frozen=True)
class Diagnosis:
    """The result of one check.

    Attributes:
        state: "fail" where training cannot run, "warn" where something is missing or slower.
        what: what was checked.
        detail: what was found.
        advice: what to do about it.
    """

    state: Literal["ok", "warn", "fail"]
    what: str
    detail: str
    advice: str = ""


def examine() -> list[Diagnosis]:
    """Run every check of this machine, and return the rows in the order in which to read them."""
    # The hub is asked while torch is imported: both take seconds.
    hub = _in_background(check_hub)
    local = check_python, check_packages, check_device, check_memory
    rows = [row for check in local for row in _tried(check)]
    return [*rows, hub(), *_tried(check_plugins)]


def can_train(rows: list[Diagnosis]) -> bool:
    """Say whether training can run at all."""
    return all(row.state != "fail" for row in rows)


def check_python() -> Iterator[Diagnosis]:
    """Compare the interpreter with what the installed distribution requires."""
    from packaging.specifiers import SpecifierSet

    needed = metadata.metadata(DISTRIBUTION)["Requires-Python"]
    version = platform.python_version()
    detail = f"{version} (needs {needed}), {platform.system()} {platform.machine()}"
    fits = SpecifierSet(needed).contains(version, prereleases=True)
    yield _row(fits, "python", detail, "install fieldsmith with another Python")


def check_packages() -> Iterator[Diagnosis]:
    """Compare each required package with the range that the installed distribution declares."""
    from packaging.requirements import Requirement

    for line in metadata.requires(DISTRIBUTION) or ():
        needed = Requirement(line)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        advice = f"pip install '{needed.name}{needed.specifier}'"
        try:
            version = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            yield Diagnosis("fail", needed.name, "is missing", advice)
            continue
        fits = needed.specifier.contains(version, prereleases=True)
        yield _row(fits, needed.name, f"{version} (needs {needed.specifier})", advice)


def check_device() -> Iterator[Diagnosis]:
    """Check the device that training uses, and train a 4-bit layer on it for one step."""
    # On a CPU it warns that optional kernels are missing, and works without them.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    for name in ("torch", "bitsandbytes"):
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken binary fails in many ways
            detail = f"cannot be imported: {type(error).__name__}: {error}"
            yield Diagnosis("fail", name, detail, f"pip install --force-reinstall {name}")
            return
    from ..model.devices import pick_device
    from ..model.loading import pick_attention

    device = pick_device()
    yield _device_row(device)
    if device.type == "cuda":
        yield _gpus_row()
    yield _bf16_row(device)
    yield check_four_bits(device)
    from ..settings import Settings

    yield Diagnosis("ok", "attention", f"{pick_attention(Settings(), device)}, by default")


def check_four_bits(device: torch.device) -> Diagnosis:
    """Run a 4-bit layer with an adapter forward and backward, and compare it with its weights."""
    detail = f"NF4, double quantisation, one step on {device.type}"
    try:
        error, learns = _step_in_four_bits(device)
    except Exception as failure:  # whatever it is, QLoRA does not run here
        detail = f"{detail}: {type(failure).__name__}: {failure}"
        return Diagnosis("fail", "4-bit training", detail, WITHOUT_FOUR_BITS)
    right = learns and error < FOUR_BIT_ERROR  # also false if the error is not a number
    detail = f"{detail}, off by {error:.0%}{'' if right else ': wrong'}"
    return _row(right, "4-bit training", detail, WITHOUT_FOUR_BITS)


def _step_in_four_bits(device: torch.device) -> tuple[float, bool]:
    """Return the layer's relative error, and whether the adapter got a gradient."""
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


def _device_row(device: torch.device) -> Diagnosis:
    import torch

    names = {
        "cuda": f"cuda {torch.version.cuda}",
        "mps": "mps (Apple)",
        "cpu": f"cpu, {torch.get_num_threads()} threads",
    }
    detail = f"{names[device.type]}, torch {torch.__version__}"
    # An NVIDIA driver that torch does not see is the most common reason for a slow training.
    driver = shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists()
    advice = "there is an NVIDIA driver: install a CUDA build of torch (https://pytorch.org)"
    return _row(device.type != "cpu" or not driver, "device", detail, advice, "warn")


def _gpus_row() -> Diagnosis:
    import torch

    count = torch.cuda.device_count()
    names = ", ".join(
        f"{torch.cuda.get_device_name(index)} "
        f"{torch.cuda.get_device_properties(index).total_memory / 2**30:.0f} GiB"
        for index in range(count)
    )
    if count == 1:
        return Diagnosis("ok", "GPUs", f"{names}; one process trains on it")
    advice = f"--gpus {count} trains on all, one process each"
    return Diagnosis("ok", "GPUs", f"{names}; one process trains on the first", advice)


def _bf16_row(device: torch.device) -> Diagnosis:
    from ..model.devices import has_bf16, pick_precision
    from ..settings import Settings

    hardware = "in hardware" if has_bf16(device) else "not used"
    precision = pick_precision(Settings(), device)
    return Diagnosis("ok", "bf16", f"{hardware} on {device.type}: training computes in {precision}")


def check_memory() -> Iterator[Diagnosis]:
    """Check the main memory that is free, within what a container allows."""
    from ..model.devices import main_memory

    total, free = main_memory()
    detail = f"{free / 2**30:.1f} GiB free of {total / 2**30:.1f}"
    advice = "close other programs, or training may be killed"
    yield _row(free >= LOW_MEMORY, "memory", detail, advice, "warn")


def check_hub() -> Diagnosis:
    """Ask the Hugging Face hub for an answer; only other base models need it."""
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    advice = "not needed for the embedded model; others need it once, or a folder as --set model"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return Diagnosis("warn", "hub", "switched off by HF_HUB_OFFLINE", advice)
    try:
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=HUB_SECONDS):
            return Diagnosis("ok", "hub", f"{address} answers")
    except urllib.error.HTTPError as error:
        return Diagnosis("warn", "hub", f"{address} answers with {error.code}", advice)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Diagnosis("warn", "hub", f"{address} is not reached: {reason}", advice)


def check_plugins() -> Iterator[Diagnosis]:
    """Load each installed plugin; a broken one does not keep the others from training."""
    entries = plugins.find()
    if not entries:
        yield Diagnosis("warn", "plugins", "none is installed", f"pip install {DISTRIBUTION}")
    for entry in entries:
        state = plugins.state_of(entry)
        works = state in {plugins.OK, plugins.WRAPPER}
        detail = f"{entry.name} ({entry.origin}){'' if works else f' {state}'}"
        yield _row(works, "plugin", detail, "repair it or uninstall it", "warn")


def _row(
    fine: bool, what: str, detail: str, advice: str, otherwise: Literal["warn", "fail"] = "fail"
) -> Diagnosis:
    return Diagnosis("ok", what, detail) if fine else Diagnosis(otherwise, what, detail, advice)


def _tried(check: Callable[[], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
    """Yield a check's rows; a package that it lacks itself becomes a row, too."""
    try:
        yield from check()
    except ImportError as error:
        what = check.__name__.removeprefix("check_")
        yield Diagnosis("fail", what, f"cannot be checked: {error}", REINSTALL)


def _in_background(check: Callable[[], Diagnosis]) -> Callable[[], Diagnosis]:
    """Start a check in a thread; the returned function waits for its row, up to ``HUB_SECONDS``.

    The time limit of a socket does not cover a name server that does not answer.
    """
    found: list[Diagnosis] = []
    thread = threading.Thread(target=lambda: found.append(check()), daemon=True)
    thread.start()

    def result() -> Diagnosis:
        thread.join(HUB_SECONDS)
        late = f"no answer in {HUB_SECONDS:.0f} seconds"
        return found[0] if found else Diagnosis("warn", "hub", late, "check your network")

    return result
