"""Messages and progress: shown by the command line, silent in a library."""

from __future__ import annotations

import logging
import sys
import time

import pytest

from fieldsmith.progress import LOGGER, log_to_stderr, meter, say


def work() -> None:
    say("reading")
    with meter("training", 2, "steps") as progress:
        progress.note("loss 0.5")
        progress.advance(2)


def test_a_library_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    work()
    assert capfd.readouterr() == ("", "")


def test_a_library_shows_no_bar_on_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    work()
    assert capfd.readouterr() == ("", "")


def test_messages_are_log_records(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="fieldsmith"):
        work()
    said, counted = caplog.messages
    assert said == "reading"
    assert counted.startswith("training: 2/2 steps, ")
    assert counted.endswith("/s, 0:00 left  loss 0.5")
    assert {record.name for record in caplog.records} == {"fieldsmith"}


def test_the_command_line_shows_messages_as_plain_lines(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with log_to_stderr():
        work()
    say("afterwards")
    output, errors = capfd.readouterr()
    assert output == ""
    first, second = errors.splitlines()
    assert first == "reading"
    assert second.startswith("training: 2/2 steps, ")
    assert (LOGGER.handlers, LOGGER.level, LOGGER.propagate) == ([], logging.NOTSET, True)


def test_a_name_in_a_message_moves_no_cursor(capfd: pytest.CaptureFixture[str]) -> None:
    with log_to_stderr():
        say("passed over: a\x1b[2Jb")
    assert capfd.readouterr().err == "passed over: a\\x1b[2Jb\n"


def test_the_command_line_shows_a_bar_on_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with log_to_stderr(), meter("training", 2, "steps") as progress:
        progress.advance(2)
        say("a line above the bar")
    errors = capfd.readouterr().err
    assert "a line above the bar" in errors
    assert "training" in errors
    assert "2/2" in errors
    assert "steps/s" in errors


def test_only_the_first_process_shows_messages(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with log_to_stderr():
        work()
    assert capfd.readouterr() == ("", "")


def test_a_meter_logs_a_line_each_quarter_of_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    with caplog.at_level(logging.INFO, logger="fieldsmith"), meter("reading", 100, "rows") as rows:
        rows.resume(10)
        for seconds[0] in (5.0, 16.0, 20.0, 32.0):
            rows.advance(10)
    assert caplog.messages == [
        "reading: 30/100 rows, 1.2/s, 0:56 left",
        "reading: 50/100 rows, 1.2/s, 0:40 left",
    ]
