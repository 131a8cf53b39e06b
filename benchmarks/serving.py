"""Put load on ``extract serve``: fast, slow and hostile clients at once, and SIGTERM in the middle.

    python -m benchmarks serving --run RUN [--seconds 300] [--fast 8] [--slow 64]

The run has to be one of medical_ner, of whose sample the texts are made. Fast clients send a text
as soon as they have the answer to the one before. Slow ones send the bytes of a request one by one,
some of them too slowly to be waited for. Hostile ones send bodies that are too long, malformed or
cut off, and wrong keys, and leave before the answer. After the time is up the server gets SIGTERM
while all go on. Every record is checked against the schema, and that it is the answer to its own
text. The exit code is 1 if a record is invalid, or a request that was sent before SIGTERM has no
answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from .streaming import EXTRACT, abstracts

KEY = "a-key-for-the-benchmark"
ROUTE = "/v1/medical_ner/extract"
LENGTH = 120
"""Characters of a text, such as a sentence."""


@dataclass
class Seen:
    """What clients have seen.

    Attributes:
        answered: by kind of client and HTTP status.
        seconds: of each answer to a fast client.
        invalid: records that are not valid, or of another text.
        lost: requests sent before the end that had no answer.
        ends: when SIGTERM was sent.
    """

    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    ends: float = float("inf")
    lock: threading.Lock = field(default_factory=threading.Lock)

    def is_over(self) -> bool:
        """Say whether SIGTERM was sent."""
        return time.monotonic() > self.ends


@dataclass(frozen=True)
class Load:
    """A server, and what clients of all kinds see."""

    port: int
    schema: Any
    seen: Seen

    def ask(self, kind: str, text: str, identifier: str) -> None:
        """Send a text, and check the answer."""
        begun = time.monotonic()
        body = json.dumps({"documents": [{"id": identifier, "text": text}]})
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", ROUTE, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            if begun < self.seen.ends:
                with self.seen.lock:
                    self.seen.lost.append(f"{kind}: {error!r}")
            return
        finally:
            connection.close()
        self._check(kind, answer.status, content, text, identifier, time.monotonic() - begun)

    def _check(
        self, kind: str, status: int, content: bytes, text: str, identifier: str, seconds: float
    ) -> None:
        with self.seen.lock:
            self.seen.answered[kind, status] += 1
            if status != 200:
                return
            if kind == "fast":
                self.seen.seconds.append(seconds)
            fault = self._fault(content, text, identifier)
            if fault:
                self.seen.invalid.append(fault)

    def _fault(self, content: bytes, text: str, identifier: str) -> str:
        """Return what is wrong with an answer; "" for nothing."""
        (line,) = json.loads(content)["results"]
        if line["id"] != identifier:
            return f"{identifier}: the answer of {line['id']}"
        if line["record"] is None:
            return f"{identifier}: {line['error']}"
        errors = [error.message for error in self.schema.iter_errors(line["record"])]
        beyond = [end for _start, end in line["spans"].values() if end > len(text)]
        return f"{identifier}: {errors} {beyond}" if errors or beyond else ""

    def fast(self, texts: Iterator[str], name: str) -> None:
        """Send one text after the other."""
        for number in itertools.count():
            if self.seen.is_over():
                return
            self.ask("fast", next(texts), f"{name}-{number}")

    def slow(self, texts: Iterator[str], name: str) -> None:
        """Send requests byte by byte, some of them too slowly."""
        source = random.Random(name)
        while not self.seen.is_over():
            body = json.dumps({"text": next(texts)[:200]}).encode()
            head = f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            pause = source.choice([0.002, 0.02, 0.2, 1.0])
            with socket.socket() as opened:
                opened.settimeout(300)
                try:
                    opened.connect(("127.0.0.1", self.port))
                    for byte in head.encode() + body:
                        opened.sendall(bytes([byte]))
                        time.sleep(pause)
                        if self.seen.is_over():
                            return
                    self._count("slow", opened.recv(4096))
                except OSError:
                    self._count("slow", b"")

    def hostile(self, texts: Iterator[str], name: str) -> None:
        """Send what is to be refused, and leave before answers."""
        source = random.Random(name)
        right = f"Authorization: Bearer {KEY}\r\n"
        while not self.seen.is_over():
            good = json.dumps({"text": next(texts)}).encode()
            bodies = [b"{", b"\xff" * 100, b"[" * 50_000, b'{"text": 1}', b"", good[:-1], good]
            body = source.choice(bodies)
            length = source.choice([len(body), len(body) + 50, 10**12, -1])
            key = source.choice([right, "Authorization: Bearer wrong\r\n", "", right])
            head = f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Length: {length}\r\n"
            head += "Content-Type: application/json\r\n\r\n"
            with socket.socket() as opened:
                opened.settimeout(source.choice([0.01, 1.0, 60.0]))
                try:
                    opened.connect(("127.0.0.1", self.port))
                    opened.sendall(head.encode() + body)
                    self._count("hostile", opened.recv(4096))
                except OSError:
                    self._count("hostile", b"")
            time.sleep(0.05)

    def _count(self, kind: str, answer: bytes) -> None:
        found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
        with self.seen.lock:
            self.seen.answered[kind, int(found[1]) if found else 0] += 1


def start(run: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a server at a free port; return its process and the port."""
    process = subprocess.Popen(
        [EXTRACT, "serve", run, "--port", "0"],
        env={**os.environ, "FIELDSMITH_SERVER_KEY": KEY},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.match(r"serving at http://\S+:(\d+)", line):
            return process, int(found[1])
    raise SystemExit(f"the server ended with exit code {process.wait()}")


def put_load(run: Path, seconds: float, counts: dict[str, int]) -> tuple[Seen, int, float]:
    """Return what clients saw, the server's exit code and its resident size at most in MB."""
    process, port = start(run)
    seen = Seen()
    opened = HTTPConnection("127.0.0.1", port)
    opened.request("GET", "/v1/medical_ner/schema", headers={"Authorization": f"Bearer {KEY}"})
    load = Load(port, Draft202012Validator(json.load(opened.getresponse())), seen)
    opened.close()
    kinds: dict[str, Callable[[Iterator[str], str], None]] = {
        "fast": load.fast,
        "slow": load.slow,
        "hostile": load.hostile,
    }
    texts = [row["text"][:LENGTH] for row in abstracts(500)]
    clients = [
        threading.Thread(target=kinds[kind], args=(itertools.cycle(texts), f"{kind}-{number}"))
        for kind, count in counts.items()
        for number in range(count)
    ]
    for client in clients:
        client.start()
    time.sleep(seconds)
    size = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    seen.ends = time.monotonic()
    process.send_signal(signal.SIGTERM)
    for client in clients:
        client.join()
    assert process.stderr is not None
    process.stderr.close()
    peak = re.search(r"VmHWM:\s+(\d+)", size)
    return seen, process.wait(300), int(peak[1]) * 1024 / 1e6 if peak else 0.0


def main(arguments: Sequence[str] = ()) -> None:
    """Print what clients saw; exit with 1 if a record is invalid or an answer lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks serving")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--fast", type=int, default=8)
    parser.add_argument("--slow", type=int, default=64)
    parser.add_argument("--hostile", type=int, default=4)
    chosen = parser.parse_args(arguments)
    counts = {"fast": chosen.fast, "slow": chosen.slow, "hostile": chosen.hostile}
    seen, code, peak = put_load(chosen.run, chosen.seconds, counts)
    print("client    status  requests")
    for (kind, status), count in sorted(seen.answered.items()):
        print(f"{kind:9} {status or 'none':6}  {count:8}")
    taken = sorted(seen.seconds)
    if taken:
        middle, late = taken[len(taken) // 2], taken[int(len(taken) * 0.99)]
        print(
            f"fast: {len(taken) / chosen.seconds:.1f} answers a second, median {middle:.3f} s, "
            f"99 % within {late:.3f} s, longest {taken[-1]:.3f} s"
        )
    print(f"invalid records: {len(seen.invalid)}", *seen.invalid[:5])
    print(f"lost answers: {len(seen.lost)}", *seen.lost[:5])
    print(f"exit code {code} after SIGTERM; resident size at most {peak:.0f} MB")
    if seen.invalid or seen.lost or code or not taken:
        sys.exit(1)
