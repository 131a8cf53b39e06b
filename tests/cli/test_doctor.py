"""The doctor says what is wrong, and what it says is what it tried."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

import pytest
import torch
from installed_plugins import Site

from fieldsmith.doctor import machine as doctor
from fieldsmith.doctor.machine import Diagnosis
from fieldsmith.model import devices

CPU = torch.device("cpu")


@contextmanager
def server(status: int) -> Iterator[str]:
    """Serve one status on a port of this machine; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


# The command


def test_the_doctor_finds_this_environment_fit(site: Site) -> None:
    answer = site.extract("doctor", "--json")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    report = json.loads(answer.stdout)
    assert report["ok"] is True
    checks = {check["what"]: check for check in report["checks"]}
    for what in ("python", "torch", "trl", "device", "bf16", "attention", "memory", "plugin"):
        assert checks[what]["state"] == "ok", checks[what]
    assert checks["4-bit training"]["detail"].startswith("NF4, double quantisation, one step on")
    assert checks["hub"]["state"] == "warn"
    assert answer.stderr == ""


def test_a_package_out_of_its_range_is_1(site: Site) -> None:
    site.declare("trl", "0.9")
    site.install("broken", "1 / 0\n")
    answer = site.extract("doctor")
    assert answer.returncode == 1
    lines = [line.split(maxsplit=2) for line in answer.stdout.splitlines()]
    rows = {what: (state, rest) for state, what, rest in lines}
    state, rest = rows["trl"]
    assert state == "fail"
    assert rest.startswith("0.9 (needs <2,>=")
    assert "pip install 'trl<2,>=" in rest
    assert "training cannot run" in answer.stdout
    # A broken plugin is told and does not keep the others from training.
    assert any(
        state == "warn" and "broken-plugin 1.0" in rest and "ZeroDivisionError" in rest
        for state, what, rest in lines
        if what == "plugin"
    )


# Its checks


def test_only_a_failure_keeps_training_from_running() -> None:
    assert doctor.can_train([Diagnosis("ok", "a", ""), Diagnosis("warn", "b", "")])
    assert not doctor.can_train([Diagnosis("ok", "a", ""), Diagnosis("fail", "b", "")])


def test_packages_are_compared_with_what_the_distribution_declares(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = ["no-such-package>=1", "pluggy>=99", "click>=8", 'nope; extra == "test"']
    monkeypatch.setattr(metadata, "requires", lambda _: declared)
    assert [(check.state, check.what, check.advice) for check in doctor.check_packages()] == [
        ("fail", "no-such-package", "pip install 'no-such-package>=1'"),
        ("fail", "pluggy", "pip install 'pluggy>=99'"),
        ("ok", "click", ""),
    ]


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.8.1")
    (check,) = doctor.check_python()
    assert check.state == "fail"
    assert "3.8.1 (needs >=3.1" in check.detail


def test_four_bits_are_tried_for_real() -> None:
    error, learns = doctor._step_in_four_bits(CPU)
    # Four bits lose something: an exact result would mean that nothing was quantised.
    assert 0.02 < error < doctor.FOUR_BIT_ERROR
    assert learns
    assert doctor.check_four_bits(CPU).state == "ok"


@pytest.mark.gpu
def test_four_bits_are_tried_on_the_gpu() -> None:
    assert doctor.check_four_bits(torch.device("cuda")).state == "ok"


@pytest.mark.parametrize("result", [(0.5, True), (float("nan"), True), (0.09, False)])
def test_a_wrong_four_bit_step_fails(
    result: tuple[float, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_step_in_four_bits", lambda _: result)
    assert doctor.check_four_bits(CPU).state == "fail"


def test_a_four_bit_step_that_raises_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(doctor, "_step_in_four_bits", broken)
    check = doctor.check_four_bits(CPU)
    assert check.state == "fail"
    assert "RuntimeError: no kernel image" in check.detail


def test_a_check_that_lacks_a_package_is_a_row() -> None:
    def check_thing() -> list[Diagnosis]:
        raise ModuleNotFoundError("No module named 'psutil'")

    (check,) = doctor._tried(check_thing)
    assert (check.state, check.what) == ("fail", "thing")
    assert "psutil" in check.detail


def test_a_torch_that_cannot_be_imported_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise OSError("libcudart.so: cannot open")

    monkeypatch.setattr("importlib.import_module", broken)
    (check,) = doctor.check_device()
    assert (check.state, check.what) == ("fail", "torch")
    assert "OSError: libcudart.so" in check.detail


def test_a_driver_that_torch_does_not_see_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/nvidia-smi")
    check = doctor._device_row(CPU)
    assert check.state == "warn"
    assert "CUDA build" in check.advice


@pytest.mark.parametrize(
    ("count", "said"), [(1, "one process trains on it"), (3, "--gpus 3 trains on all")]
)
def test_gpus_are_reported_with_how_training_uses_them(
    count: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Properties:
        total_memory = 80 * 2**30

    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU {index}")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    check = doctor._gpus_row()
    assert "GPU 0 80 GiB" in check.detail
    assert said in f"{check.detail} {check.advice}"


def test_bf16_is_what_training_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_bf16", lambda _: True)
    assert doctor._bf16_row(CPU).detail == "in hardware on cpu: training computes in bf16"
    monkeypatch.setattr(devices, "has_bf16", lambda _: False)
    assert doctor._bf16_row(CPU).detail == "not used on cpu: training computes in fp32"


def test_little_memory_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "main_memory", lambda: (8 * 2**30, 2**30))
    (check,) = doctor.check_memory()
    assert (check.state, check.detail) == ("warn", "1.0 GiB free of 8.0")


# The hub


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (503, "warn")])
def test_the_hub_answers(status: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with server(status) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        check = doctor.check_hub()
    assert check.state == state
    assert address in check.detail


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "nonsense", "http://[half"])
def test_a_hub_that_is_not_reached_is_a_warning(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", address)
    assert doctor.check_hub().state == "warn"


def test_a_hub_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(doctor, "HUB_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        check = doctor._in_background(doctor.check_hub)()  # would never come back
    assert check.state == "warn"


def test_a_name_server_that_never_answers_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "HUB_SECONDS", 0.1)
    release = threading.Event()

    def stuck() -> Diagnosis:
        release.wait(10)
        return Diagnosis("ok", "hub", "late")

    assert doctor._in_background(stuck)().state == "warn"
    release.set()
