"""Serve a run by vLLM, which is started for as long as it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..decoding.llguidance_adapter import Vocabulary
from ..engines.connect import connect
from ..engines.server import ServerEngine
from ..engines.vllm_process import VllmPython, vllm_server
from ..model.gguf import cache_folder
from ..model.loading import DTYPES
from ..model.out_of_memory import save_memory
from ..progress import say
from ..runs.folder import Run
from .merged import MergedModel, merge, merged_key


@contextmanager
def served_by_vllm(
    run: Run, python: Path, options: Sequence[str] = (), made: MergedModel | None = None
) -> Iterator[Callable[[Vocabulary], ServerEngine]]:
    """Merge a run, unless that was done before, and serve the result by vLLM.

    Weights are of the dtype that the run's ``precision`` names. Where it is auto, with a GPU they
    are of that of the base model's files, and without of float32.

    Args:
        run: a causal run.
        python: of an environment with vLLM.
        options: further options of vLLM's command line, each with its value.
        made: the merged run, which is served; None for one in the user's cache.

    Yields:
        Starts it and connects to it, given the tokens of answers.

    Raises:
        EngineError: vLLM does not start.
        FieldsmithError: as ``merge``.
        SettingsError: there is no vLLM.
    """
    found = VllmPython.find(python)
    with ExitStack() as stack:

        def start(vocabulary: Vocabulary) -> ServerEngine:
            precision = run.settings().values.precision
            by_device = None if found.has_gpu else "fp32"
            chosen = by_device if precision == "auto" else precision
            served = merged_in_cache(run, chosen) if made is None else made
            dtype = str(DTYPES[served.record["dtype"]]).removeprefix("torch.")
            server = stack.enter_context(vllm_server(found, served.folder, dtype, options))
            return connect([server.address], None, vocabulary, server.key)

        yield start


def merged_in_cache(run: Run, dtype: str | None) -> MergedModel:
    """Return the merged run in the user's cache, which is made if it is not there.

    Args:
        run: the run folder.
        dtype: bf16, fp16 or fp32; None for that of the base model's files.
    """
    folder = cache_folder().parent / "merged" / merged_key(run, dtype or "stored")[:16]
    if not folder.exists():
        say(f"{run.folder}: is merged into {folder}, once")
    made = merge(run, folder, dtype)
    save_memory()  # which vLLM is to have
    return made
