"""Many processes of Ray write what one process writes, whatever is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
from command import EXTRACT, Command, extract
from many_texts import lines_in, write_texts
from running_command import RunningCommand, kill, start
from tiny_model import Trained, Workplace

from fieldsmith.errors import SettingsError
from fieldsmith.extraction.ray_cluster import Actors, actors_for

pytest.importorskip("ray", reason="the extra ray is not installed")

GROUP = 32  # documents; the tiny model answers eight prompts at once

DOCUMENTS = 3 * GROUP + 5

ACTOR, READER, RAYLET, GCS = "ray::MapWorker", "ray::ReadGroupSource", "raylet", "gcs_server"
"""How the command lines of Ray's processes begin, or what their programs are called."""

END = 150  # seconds after which the last process of a killed command has noticed it


def answers_after(command: RunningCommand, output: Path, count: float) -> bool:
    """Say whether there is an actor, and so many lines."""
    return lines_in(output) >= count and bool(command.named(ACTOR))


@pytest.fixture(scope="module")
def plain(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with documents and their predictions by one process, in four groups."""
    folder = tmp_path_factory.mktemp("plain")
    write_texts(folder / "in.jsonl", DOCUMENTS)
    answer = extract("predict", trained.run, folder / "in.jsonl", "--output", folder / "out.jsonl")
    assert answer.code == 0, answer.errors
    return folder


@pytest.fixture
def order(trained: Trained, plain: Path, tmp_path: Path) -> tuple[object, ...]:
    """The same command with a local cluster, to another output."""
    output = tmp_path / "out.jsonl"
    return (
        "predict", trained.run, plain / "in.jsonl", "--output", output, "--engine", "ray",
    )  # fmt: skip


# What needs no cluster


@pytest.mark.parametrize(
    ("cluster", "asked", "gpus", "servers", "expected"),
    [
        ({"CPU": 8.0}, None, None, 0, Actors(8, 0.0)),
        ({"CPU": 1.0}, None, None, 0, Actors(1, 0.0)),
        ({"CPU": 8.0}, 3, None, 0, Actors(3, 0.0)),
        ({"CPU": 8.0, "GPU": 2.0}, None, None, 0, Actors(2, 1.0)),
        ({"CPU": 8.0, "GPU": 2.0}, None, 0.5, 0, Actors(4, 0.5)),
        ({"CPU": 8.0, "GPU": 4.0}, None, 2.0, 0, Actors(2, 2.0)),
        ({"CPU": 2.0, "GPU": 4.0}, None, None, 0, Actors(2, 1.0)),
        ({"CPU": 8.0, "GPU": 2.0}, None, 0.0, 0, Actors(8, 0.0)),
        ({"CPU": 8.0, "GPU": 2.0}, None, None, 1, Actors(2, 0.0)),
        ({"CPU": 3.0}, None, None, 4, Actors(3, 0.0)),
    ],
)
def test_a_cluster_gets_as_many_actors_as_it_has_room_for(
    cluster: dict[str, float],
    asked: int | None,
    gpus: float | None,
    servers: int,
    expected: Actors,
) -> None:
    assert actors_for(cluster, asked, gpus, servers) == expected


@pytest.mark.parametrize(
    ("cluster", "asked", "gpus"),
    [({}, None, None), ({"CPU": 2.0}, 3, None), ({"CPU": 2.0}, None, 1.0), ({"CPU": 0.5}, 1, 0.0)],
)
def test_actors_without_room_are_refused(
    cluster: dict[str, float], asked: int | None, gpus: float | None
) -> None:
    with pytest.raises(SettingsError, match="no room for"):
        actors_for(cluster, asked, gpus)


@pytest.mark.parametrize(
    "options",
    [
        ["--actors", "2"],
        ["--gpus-per-actor", "0"],
        ["--ray-address", "auto"],
        ["--engine", "http://localhost:1", "--actors", "2"],
        ["--engine", "ray", "--actors", "0"],
        ["--engine", "ray", "--unconstrained"],
    ],
)
def test_options_without_ray_are_wrong_usage(
    plain: Path, trained: Trained, command: Command, options: list[str]
) -> None:
    answer = command("predict", trained.run, plain / "in.jsonl", *options)
    assert answer.code == 2, answer.errors
    assert answer.output == ""


def test_the_missing_package_is_named(
    plain: Path, trained: Trained, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    answer = command("predict", trained.run, plain / "in.jsonl", "--engine", "ray")
    assert answer.code == 1
    assert answer.errors.splitlines()[-1].endswith("pip install 'fieldsmith[ray]'")
    assert answer.output == ""


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:1", "no cluster that this machine is a part of is reached there"),
        ("127.0.0.1:99999", "no cluster that this machine is a part of is reached there"),
        ("ray://127.0.0.1:1", "name an address as host:port"),
        ("local", "name an address as host:port"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(
    order: tuple[object, ...], command: Command, address: str, reason: str
) -> None:
    answer = command(*order, "--ray-address", address)
    assert answer.code == 1
    (line,) = answer.errors.splitlines()
    assert line.startswith(f"extract: error: --ray-address {address}: {reason}")


# With a cluster


@pytest.mark.slow
def test_an_actor_that_dies_is_replaced(
    order: tuple[object, ...], plain: Path, tmp_path: Path, commands: list[RunningCommand]
) -> None:
    command = start(tmp_path, *order)
    commands.append(command)
    command.wait_for(lambda: command.named(ACTOR))
    kill(command.named(ACTOR)[0])
    answer = command.ended()
    assert answer.code == 0, answer.errors
    assert answer.output == ""
    known = "ray: ", "predicting: ", str(tmp_path)
    assert all(line.startswith(known) for line in answer.errors.splitlines()), answer.errors
    assert (tmp_path / "out.jsonl").read_bytes() == (plain / "out.jsonl").read_bytes()
    assert [path.name for path in tmp_path.glob("out.jsonl*")] == ["out.jsonl"]
    assert command.left(END) == []


@pytest.mark.slow
def test_killed_and_repeated_it_goes_on(
    order: tuple[object, ...], plain: Path, tmp_path: Path, commands: list[RunningCommand]
) -> None:
    output = tmp_path / "out.jsonl"
    first = start(tmp_path, *order)
    commands.append(first)
    first.wait_for(lambda: lines_in(output))
    kill(psutil.Process(first.process.pid))
    assert first.ended().code == -signal.SIGKILL
    begun = lines_in(output)
    assert 0 < begun < DOCUMENTS
    second = start(tmp_path, *order)
    commands.append(second)
    answer = second.ended()
    assert answer.code == 0, answer.errors
    assert f"{DOCUMENTS - begun} of them written now" in answer.errors
    assert output.read_bytes() == (plain / "out.jsonl").read_bytes()
    assert first.left(END) == second.left(END) == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [10_000])
def test_many_documents_survive_many_kills(
    trained: Trained, tmp_path: Path, commands: list[RunningCommand], count: int
) -> None:
    """Ten kills at random moments, each of an actor or of the command, which is then repeated."""
    moments = random.Random(count)
    source = write_texts(tmp_path / "in.jsonl", count)
    expected, output = tmp_path / "expected.jsonl", tmp_path / "out.jsonl"
    answer = extract("predict", trained.run, source, "--output", expected, timeout=3600)
    assert answer.code == 0, answer.errors
    order = "predict", trained.run, source, "--output", output, "--engine", "ray"
    command = start(tmp_path, *order)
    commands.append(command)
    for at in sorted(moments.uniform(0, 0.9 * count) for _ in range(10)):
        command.wait_for(partial(answers_after, command, output, at))
        if moments.random() < 0.7:
            kill(moments.choice(command.named(ACTOR)))
            continue
        kill(psutil.Process(command.process.pid))
        assert command.ended().code == -signal.SIGKILL
        command = start(tmp_path, *order)
        commands.append(command)
    answer = command.ended()
    assert answer.code == 0, answer.errors
    assert output.read_bytes() == expected.read_bytes()
    assert [command.left(END) for command in commands] == [[] for _ in commands]


@pytest.mark.slow
@pytest.mark.parametrize("name", [READER, RAYLET, GCS])
def test_any_process_may_be_killed(
    order: tuple[object, ...],
    plain: Path,
    tmp_path: Path,
    commands: list[RunningCommand],
    name: str,
) -> None:
    output = tmp_path / "out.jsonl"
    command = start(tmp_path, *order)
    commands.append(command)
    command.wait_for(lambda: command.named(ACTOR) and command.named(name))
    kill(command.named(name)[0])
    answer = command.ended()
    if name != READER:  # without these the cluster is gone
        assert answer.code != 0
        # Where the control store is gone, Ray ends the process at once.
        assert name == GCS or answer.errors.splitlines()[-1].startswith("extract: error: Ray: ")
        again = start(tmp_path, *order)
        commands.append(again)
        answer = again.ended()
    assert answer.code == 0, answer.errors
    assert output.read_bytes() == (plain / "out.jsonl").read_bytes()
    assert [command.left(END) for command in commands] == [[] for _ in commands]


@pytest.mark.slow
def test_ctrl_c_ends_it_at_once(
    order: tuple[object, ...], tmp_path: Path, commands: list[RunningCommand]
) -> None:
    command = start(tmp_path, *order)
    commands.append(command)
    command.wait_for(lambda: command.named(ACTOR))
    os.killpg(command.process.pid, signal.SIGINT)
    answer = command.ended()
    assert answer.code == 130
    assert answer.errors.splitlines()[-1] == "extract: interrupted"
    assert command.left(5) == []


@pytest.mark.slow
def test_a_cluster_that_runs_is_used_and_left_running(
    order: tuple[object, ...], plain: Path, tmp_path: Path, commands: list[RunningCommand]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--head", "--block", "--num-cpus=1", "--include-dashboard=false"]
    cluster = subprocess.Popen(
        [EXTRACT.with_name("ray"), "start", *options, f"--port={address.split(':')[1]}"],
        cwd=elsewhere,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
    )
    assert cluster.stdout
    try:
        assert any("block forever" in line for line in iter(cluster.stdout.readline, ""))
        open_mode = ["RAY_AUTH_MODE=disabled"]
        there = (*order, "--ray-address", address)
        too_many = start(tmp_path, *there, "--actors", "2", environment=open_mode)
        commands.append(too_many)
        answer = too_many.ended()
        assert answer.code == 1
        assert "no room for 2 actors of one CPU and 0 GPUs" in answer.errors.splitlines()[-1]
        used = start(tmp_path, *there, environment=open_mode)
        commands.append(used)
        answer = used.ended()
        assert answer.code == 0, answer.errors
        assert (tmp_path / "out.jsonl").read_bytes() == (plain / "out.jsonl").read_bytes()
        assert cluster.poll() is None
    finally:
        cluster.terminate()
        cluster.communicate(timeout=60)


@pytest.mark.slow
def test_parquet_has_the_same_lines_and_any_input_is_read(
    trained: Trained,
    workplace: Workplace,
    plain: Path,
    tmp_path: Path,
    commands: list[RunningCommand],
) -> None:
    from pyarrow import parquet

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "note.txt").write_text("aspirin and rash.", encoding="utf-8")
    (folder / "bad.xyz").write_bytes(b"\xff\xfe")
    inputs = (workplace.unseen, folder, (plain / "in.jsonl").as_uri())
    answer = extract("predict", trained.run, *map(str, inputs), "--output", tmp_path / "out.jsonl")
    assert answer.code == 0, answer.errors
    command = start(
        tmp_path, "predict", trained.run, *inputs, "--engine", "ray", "--output",
        tmp_path / "out.parquet",
    )  # fmt: skip
    commands.append(command)
    assert command.ended().code == 0, command.errors.read_text()
    rows = parquet.read_table(tmp_path / "out.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(rows) == len(lines) > GROUP
    for row, line in zip(rows, lines, strict=True):
        assert row["id"] == line["id"]
        assert json.loads(row["record"] or "null") == line["record"]
        assert row["error"] == line.get("error")
