"""A server answers as our decoder does; what goes wrong with it is one line."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from command import Command, run_installed
from known_to_llama_cpp import skip_without_index
from llama_cpp_server import serving_gguf
from running_command import RunningCommand, start
from served import serving
from stand_in_vllm import LLAMA_CPP, write_package
from tiny_families import CausalRun
from tiny_model import Trained, lines

from fieldsmith import Document
from fieldsmith.cli import INTERRUPTED
from fieldsmith.engines.connect import KEY, connect
from fieldsmith.errors import SettingsError
from fieldsmith.exporting.engine_check import TIE, check_engine
from fieldsmith.exporting.gguf_file import write_gguf
from fieldsmith.exporting.merged import MergedModel, merge
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.extraction.groups import group_size
from fieldsmith.runs.folder import Run

pytest.importorskip("xllamacpp", reason="the extra llama-cpp is not installed")

Change = Callable[[str, Any], Any]
"""Takes path and body of a request; returns the body to pass on, or a number: the HTTP state."""


@dataclass(frozen=True)
class Served:
    """A run, and llama.cpp's server with its model."""

    run: CausalRun
    file: Path
    address: str
    key: str = field(repr=False)
    extractor: Extractor = field(repr=False)


@pytest.fixture(scope="module")
def served(known: CausalRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    run = CausalRun(tmp_path_factory.mktemp("served") / "copy")  # is scored
    shutil.copytree(known.folder, run.folder)
    merge(Run.open(run.run), run.folder / "merged")
    try:
        file = write_gguf(run.folder / "merged", "f32")
    except SettingsError as error:
        skip_without_index(str(error))
        raise
    with serving_gguf(file.path) as server:
        yield Served(run, file.path, server.address, server.key, Extractor.load(run.run))


@pytest.fixture(autouse=True)
def key(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, served.key)
    monkeypatch.setattr("fieldsmith.engines.server._PAUSE", 0.01)


@contextmanager
def between(served: Served, change: Change) -> Iterator[str]:
    """Provide the address of a server that passes requests on, changed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass_on(None)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._pass_on(json.loads(self.rfile.read(length)))

        def _pass_on(self, body: Any) -> None:
            changed = change(self.path, body)
            if isinstance(changed, int):
                self._answer(changed, b'{"error": {"message": "not now"}}')
                return
            data = None if changed is None else json.dumps(changed).encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {served.key}"}
            try:
                with urlopen(Request(served.address + self.path, data, headers)) as answer:
                    self._answer(200, answer.read())
            except HTTPError as error:
                self._answer(error.code, error.read())

        def _answer(self, state: int, data: bytes) -> None:
            self.send_response(state)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def handle(self) -> None:
            with suppress(ConnectionResetError):
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def documents(count: int = 4) -> list[Document]:
    return [
        Document(str(number), f"Aspirin and rash.\nAspirin caused rash in {number} patients.")
        for number in range(count)
    ]


@pytest.mark.slow
def test_actors_of_ray_ask_servers(served: Served, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    corpus = served.run.folder / "corpus" / "test.txt"
    outputs = tmp_path / "here.jsonl", tmp_path / "ray.jsonl"
    engine = ("--engine", served.address)
    order: list[str | Path] = []
    for output, options in zip(outputs, ([], ["--engine", "ray"]), strict=True):
        order = ["predict", served.run.run, corpus, "--output", output, *engine, *options]
        answer = run_installed(*order)
        assert answer.code == 0, answer.errors
    for one, other in zip(*map(lines, outputs), strict=True):
        assert other["confidence"] == pytest.approx(one["confidence"], abs=0.01)
        assert {**other, "confidence": {}} == {**one, "confidence": {}}
    answer = run_installed(*order, "--ray-address", "127.0.0.1:1", "--engine", "http://127.0.0.1:1")
    assert answer.code == 1
    assert answer.errors.splitlines()[-1].startswith("extract: error: --engine http://127.0.0.1:1")


def test_predictions_are_those_of_our_decoder(
    served: Served, tmp_path: Path, command: Command
) -> None:
    corpus = served.run.folder / "corpus" / "test.txt"
    outputs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    ours = command("predict", served.run.run, corpus, "--output", outputs[0])
    engine = ("--engine", f"{served.address}/v1")
    theirs = command("predict", served.run.run, corpus, "--output", outputs[1], *engine)
    assert (ours.code, theirs.code) == (0, 0), theirs.errors
    for one, other in zip(*map(lines, outputs), strict=True):
        assert other["confidence"] == pytest.approx(one["confidence"], abs=0.01)
        assert {**other, "confidence": {}} == {**one, "confidence": {}}
    again = command("predict", served.run.run, corpus, "--output", outputs[1], *engine)
    assert "0 of them written now" in again.errors


def test_an_engine_that_is_started_answers_with_the_merged_run(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """llama.cpp's server in place of vLLM's, since that has an environment of its own."""
    write_package(tmp_path / "site", LLAMA_CPP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GGUF", str(served.file))
    document, outputs = tmp_path / "notes.txt", (tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl")
    document.write_text(documents(1)[0].text, encoding="utf-8")
    engine = ("--engine", "vllm", "--engine-python", sys.executable)
    for output, options in zip(outputs, ((), engine), strict=True):
        done = command("predict", served.run.run, document, "--output", output, *options)
        assert done.code == 0, done.errors
    (ours,), (theirs,) = map(lines, outputs)
    assert theirs["record"] == ours["record"]
    (folder,) = (tmp_path / "cache" / "fieldsmith" / "merged").iterdir()
    assert MergedModel.open(folder).record["dtype"] == "fp32"
    again = command("engine-check", served.run.run, *engine[1:], "--documents", "1")
    assert again.code == 0, again.errors
    assert f"{folder}: was made of this run before" in again.errors


def test_our_own_server_asks_it(served: Served) -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    text = "Aspirin and rash. Aspirin caused rash in 5 patients."
    with serving(served.run.run, options=("--engine", served.address)) as server:
        line = server.ask("/v1/medical_ner/extract", {"text": text}).json
    expected = served.extractor(text)
    assert line["record"] == expected.record
    assert line["spans"] == {pointer: list(span) for pointer, span in expected.spans.items()}


def test_a_run_is_scored_by_a_server(served: Served, command: Command) -> None:
    own = ("evaluate", served.run.run, "--split", "validation", "--json")
    ours, theirs = command(*own), command(*own, "--engine", served.address)
    assert (ours.code, theirs.code) == (0, 0), theirs.errors
    one, other = json.loads(ours.output), json.loads(theirs.output)
    assert (other["split"], other["engine"]) == ("validation:llama.cpp", "llama.cpp")
    assert other["metrics"] == one["metrics"]
    stored = Run.open(served.run.run).metrics()
    assert stored["validation:llama.cpp"] == other
    assert stored["validation"] == one
    assert (
        len(lines(served.run.run / "predictions" / "validation-llama.cpp.jsonl"))
        == one["documents"]
    )


def test_a_server_with_the_merged_folder_scores_the_export(
    served: Served, command: Command
) -> None:
    output = served.run.folder / "merged"
    options = ("--documents", "3", "--engine", served.address)
    done = command("merge", served.run.run, "--output", output, *options)
    assert done.code == 0, done.errors
    assert "llama.cpp: 3 of 10 documents" in done.output
    scores = MergedModel.open(output).record["scores"]
    assert scores["llama.cpp"]["equal"] == scores["transformers"]["equal"] == 3
    refused = command("merge", served.run.run, "--output", output, "--no-score", *options[2:])
    assert refused.code == 2


def test_the_check_finds_equal_records(served: Served, command: Command) -> None:
    done = command("engine-check", served.run.run, served.address, "--documents", "6", "--json")
    assert done.code == 0, done.errors
    found = json.loads(done.output)
    assert (found["engine"], found["documents"], found["holds"]) == ("llama.cpp", 6, True)
    assert all(each["cause"] == "tie" for each in found["differences"])


def test_the_check_finds_another_model(served: Served) -> None:
    """Tokens that the server is not asked for: the last ones of the prompt are lost."""

    def cut(path: str, body: Any) -> Any:
        if path == "/completion" and len(body["prompt"]) > 20:
            return {**body, "prompt": body["prompt"][:20]}
        return body

    with between(served, cut) as address:
        engine = connect([address], None, served.extractor.vocabulary)
        found = check_engine(served.extractor, engine, documents())
    assert not found.holds
    assert {each.cause for each in found.differences} <= {"tie", "tokens", "other"}
    for each in found.differences:
        assert each.gap is None or (abs(each.gap) < TIE) == (each.cause == "tie")


def test_what_passes_is_asked_again(served: Served) -> None:
    states = iter([503, 429, 500])

    def busy(path: str, body: Any) -> Any:
        return next(states, body) if path == "/completion" and len(body["prompt"]) > 20 else body

    with between(served, busy) as address:
        engine = connect([address, served.address], None, served.extractor.vocabulary)
        predictions = served.extractor.with_engine(engine).predict(documents())
    assert [prediction.error for prediction in predictions] == [None] * 4
    assert next(states, "all were met") == "all were met"


def test_a_prompt_that_fails_fails_alone(served: Served) -> None:
    refused = served.extractor.task.prompt(documents()[2])

    def refuse(path: str, body: Any) -> Any:
        return 400 if path == "/completion" and body["prompt"] == refused else body

    with between(served, refuse) as address:
        engine = connect([address], None, served.extractor.vocabulary)
        predictions = served.extractor.with_engine(engine).predict(documents())
    errors = [prediction.error for prediction in predictions]
    assert errors == [None, None, "llama.cpp: 400: not now", None]


def test_a_server_that_is_gone_ends_the_command_which_can_be_repeated(
    served: Served, tmp_path: Path, command: Command
) -> None:
    """No document becomes a line with an error because a server was stopped."""
    source, output = tmp_path / "many.jsonl", tmp_path / "out.jsonl"
    group = group_size(served.extractor.task.settings)
    rows = [{"id": document.id, "text": document.text} for document in documents(group + 8)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = iter(range(group + 4))

    def gone(path: str, body: Any) -> Any:
        if path == "/completion" and next(asked, None) is None:
            raise ConnectionResetError
        return body

    arguments = ("predict", served.run.run, source, "--output", output, "--engine")
    with between(served, gone) as address:
        done = command(*arguments, address)
    assert done.code == 1
    assert "is not reached any more" in done.errors.splitlines()[-1]
    assert not output.exists()
    again = command(*arguments, served.address)
    assert again.code == 0, again.errors
    assert f"{group + 8} lines, 8 of them written now" in again.errors
    assert [row["id"] for row in lines(output) if "error" not in row] == [r["id"] for r in rows]


def test_nothing_is_waited_for_where_the_command_is_interrupted(
    served: Served, tmp_path: Path, commands: list[RunningCommand]
) -> None:
    document = tmp_path / "a.txt"
    document.write_text("Aspirin caused rash.", encoding="utf-8")
    asked, ending = threading.Event(), threading.Event()

    def wait(path: str, body: Any) -> Any:
        if path == "/completion" and len(body["prompt"]) > 20:
            asked.set()
            ending.wait(120)
        return body

    with between(served, wait) as address:
        running = start(tmp_path, "predict", served.run.run, document, "--engine", address)
        commands.append(running)
        assert asked.wait(120)
        running.process.send_signal(signal.SIGINT)
        code = running.process.wait(60)  # the server would keep it waiting for longer
        ending.set()
    assert code == INTERRUPTED


def test_a_server_that_ignores_grammars_is_refused(served: Served) -> None:
    def ignore(_path: str, body: Any) -> Any:
        return {key: value for key, value in body.items() if key != "grammar"} if body else body

    with (
        between(served, ignore) as address,
        pytest.raises(SettingsError, match="does not hold its answers to a grammar"),
    ):
        connect([address], None, served.extractor.vocabulary)


def test_an_answer_that_breaks_the_grammar_is_no_record(served: Served) -> None:
    """The grammar of the probe holds, that of documents not."""

    def ignore(path: str, body: Any) -> Any:
        if path == "/completion" and len(body["prompt"]) > 20:
            return {**body, "grammar": "%llguidance {}\nstart: /[a-z]{1,8}/\n"}
        return body

    with between(served, ignore) as address:
        engine = connect([address], None, served.extractor.vocabulary)
        predictions = served.extractor.with_engine(engine).predict(documents(2))
    for prediction in predictions:
        assert prediction.record is None
        assert "the answer breaks its grammar" in str(prediction.error)


def test_what_is_no_server_is_one_line(
    served: Served, trained: Trained, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    def said(*addresses: str, run: Path = served.run.run) -> str:
        engines = [argument for address in addresses for argument in ("--engine", address)]
        done = command("predict", run, "-", *engines, stdin=b"Aspirin.")
        assert (done.code, done.output) == (1, "")
        (line,) = done.errors.splitlines()
        return line

    assert "name an address such as http://host:8000" in said("localhost:8000")
    assert "does not say what it is" in said("http://127.0.0.1:9")
    assert "prefix_lm" in said(served.address, run=trained.run)
    with between(served, lambda _path, _body: 404) as address:
        assert "404: not now" in said(address)
    monkeypatch.setenv(KEY, "another")
    assert f"set {KEY} where it asks for a key" in said(served.address)


def test_a_model_is_named_where_there_are_several() -> None:
    from fieldsmith.engines.connect import _chosen
    from fieldsmith.engines.server import Server

    server, listed = Server("http://host"), [{"id": "base"}, {"id": "medical"}]
    assert _chosen(server, listed, "medical") == "medical"
    assert _chosen(server, listed[:1], None) == "base"
    with pytest.raises(SettingsError, match="name one by --engine-model: base, medical"):
        _chosen(server, listed, None)
    with pytest.raises(SettingsError, match="did you mean medical"):
        _chosen(server, listed, "medicl")
