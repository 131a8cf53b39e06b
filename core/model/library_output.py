"""Keep what libraries and a model's own code print out of the user's way."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import nullcontext

from ..settings import Settings


def quieten() -> None:
    """Turn off progress bars, hints and warnings of the libraries; their errors still show."""
    import torch
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


@contextlib.contextmanager
def foreign_prints_to_stderr(settings: Settings) -> Iterator[None]:
    """Keep what code of the model's own prints out of the output, which may be records."""
    with contextlib.redirect_stdout(sys.stderr) if settings.trust_remote_code else nullcontext():
        yield
