"""llama.cpp's server in a process of its own: it has aborted once, which must not end the tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_SERVER = """
import sys
from pathlib import Path

from fieldsmith.engines.llama_cpp import GgufEngine

engine = GgufEngine.load(Path(sys.argv[1]), int(sys.argv[2]), 2)
print(engine.servers[0].address, engine.servers[0].key, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class LlamaCpp:
    """A server that runs, and the key that it asks for."""

    address: str
    key: str = field(repr=False)


@contextmanager
def serving_gguf(file: Path, context: int = 512) -> Iterator[LlamaCpp]:
    """Serve a GGUF file for as long as the context lasts.

    Args:
        file: the model.
        context: tokens of a prompt and its answer.
    """
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, file, str(context)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        assert server.stdin
        assert server.stdout
        yield LlamaCpp(*server.stdout.readline().split())
        ended = server.poll()
        server.stdin.close()
    assert ended is None, f"llama.cpp ended by {ended}, see standard error"
