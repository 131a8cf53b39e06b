"""Our launcher alone: processes that run a quick command, and each way in which one can end."""

from __future__ import annotations

import gc
import os
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from installed_plugins import TOY, Site

from fieldsmith.errors import ProcessError
from fieldsmith.parallel.environment import LAUNCHED
from fieldsmith.parallel.group import ProcessGroup
from fieldsmith.parallel.launcher import BugError, KilledError, launch

LOAD = "    yield Example("

WAIT = "import time; time.sleep(60)"
BUG = "import click; click.echo = lambda *_, **__: [][0]"
# It dies with a lock, for which a peer waits that fails because it has died.
KILLED = """
import fcntl
lock = open(os.environ["LOCK"], "a")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write("taken")
lock.flush()
os.kill(os.getpid(), 9)
"""
ALONE = """
import click
def echo(*_, **__):
    import fcntl, os, pathlib, time
    if os.environ.get("LOCK"):
        while not pathlib.Path(os.environ["LOCK"]).read_text():
            time.sleep(0.01)
        fcntl.flock(open(os.environ["LOCK"], "a"), fcntl.LOCK_EX)
    raise RuntimeError("[pair.cc:544] Connection closed by peer [127.0.0.1]:23111")
click.echo = echo
"""


# torch leaves the files open to which processes printed that have ended.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture(autouse=True)
def _closed_files() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def site(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Where a plugin is installed whose loader does what the variables ACT_0 and ACT_1 say."""
    act = "    import os\n    exec(os.environ.get('ACT_' + os.environ.get('RANK', ''), ''))\n"
    site.install("toy", TOY.replace(LOAD, act + LOAD))
    monkeypatch.setenv("PYTHONPATH", str(site.path))
    return site


def start(monkeypatch: pytest.MonkeyPatch, *acts: str, count: int = 2) -> None:
    """Let so many processes show the plugin, each of which acts on its own."""
    for number, act in enumerate(acts):
        monkeypatch.setenv(f"ACT_{number}", textwrap.dedent(act))
    launch(ProcessGroup(count), ["plugins", "toy"])


def test_the_first_process_has_the_terminal_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loud = "import sys; print('from', os.environ['RANK'], file=sys.__stderr__)"
    start(monkeypatch, loud, loud)
    output, errors = capfd.readouterr()
    assert output.count("Words that are shouted.") == 1
    assert errors == "from 0\n"
    assert LAUNCHED not in os.environ
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_one_error_names_its_process(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], rank: int
) -> None:
    acts = [WAIT, WAIT]
    acts[rank] = "raise fieldsmith.InputError('row 7 is none')"
    with pytest.raises(ProcessError) as failed:
        start(monkeypatch, *acts)
    assert str(failed.value) == f"process {rank} of 2: row 7 is none"
    assert "InputError: row 7 is none" in failed.value.__notes__[0]  # for --debug
    assert capfd.readouterr() == ("", "")


def test_an_error_that_all_have_is_one_line(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    act = "raise fieldsmith.InputError('row 7 is none')"
    with pytest.raises(ProcessError) as failed:
        start(monkeypatch, f"import time; time.sleep(1); {act}", act)
    assert str(failed.value) == "row 7 is none"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("rank", "other"),
    [
        pytest.param(0, WAIT, marks=pytest.mark.slow),
        (1, WAIT),
        (0, ALONE),
        pytest.param(1, ALONE, marks=pytest.mark.slow),
    ],
)
def test_the_process_that_was_killed_is_the_cause(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    rank: int,
    other: str,
) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    monkeypatch.setenv("LOCK", str(lock))
    acts = [other, other]
    acts[rank] = KILLED
    with pytest.raises(KilledError) as failed:
        start(monkeypatch, *acts)
    assert str(failed.value) == (
        f"process {rank} of 2 was killed (SIGKILL): out of memory is the usual cause"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ("os.kill(os.getpid(), 15)", "was ended by SIGTERM"),
        (
            "import sys; print('bad pointer', file=sys.__stderr__, flush=True); "
            "os.kill(os.getpid(), 11)",
            "was ended by SIGSEGV: bad pointer",
        ),
        ("os._exit(3)", "ended with exit code 3"),
    ],
)
def test_a_process_that_says_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, act: str, said: str
) -> None:
    with pytest.raises(ProcessError) as failed:
        start(monkeypatch, WAIT, act)
    assert str(failed.value) == f"process 1 of 2 {said}"


def test_a_bug_keeps_its_traceback(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BugError) as failed:
        start(monkeypatch, WAIT, BUG)
    assert str(failed.value) == "process 1 of 2: IndexError: list index out of range"
    assert failed.value.trace.startswith("Traceback (most recent call last):\n")
    assert failed.value.trace.endswith("IndexError: list index out of range\n")
    assert capfd.readouterr() == ("", "")


def test_where_each_process_only_misses_another_the_first_is_shown(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BugError, match=r"^process 1 of 2: RuntimeError: .*Connection closed"):
        start(monkeypatch, WAIT, ALONE)


def test_arguments_arrive_as_they_are(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    # No file of the working directory is imported in place of a module.
    (tmp_path / "json.py").write_text("raise SystemError", encoding="utf-8")
    with pytest.raises(ProcessError) as failed:
        launch(ProcessGroup(2), ["plugins", "$$a${local_rank} b"])
    assert "'$$a${local_rank} b'" in str(failed.value)


@pytest.mark.parametrize(("chosen", "each"), [("7", "7"), (None, "4")])
def test_threads_are_shared_out_unless_they_are_set(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    chosen: str | None,
    each: str,
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 9)
    if chosen is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    notes = [
        f"open({str(tmp_path / rank)!r}, 'w').write(os.environ['OMP_NUM_THREADS'])" for rank in "01"
    ]
    start(monkeypatch, *notes)
    assert [(tmp_path / rank).read_text(encoding="utf-8") for rank in "01"] == [each, each]


def test_a_terminal_has_its_cursor_back(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    hide = "import sys; print('\\x1b[?25l', end='', file=sys.__stderr__, flush=True)"
    with pytest.raises(KilledError):
        start(monkeypatch, f"{hide}; {WAIT}", "import time; time.sleep(1); os.kill(os.getpid(), 9)")
    assert capfd.readouterr().err == "\x1b[?25l\r\x1b[K\x1b[?25h"


def test_no_temporary_file_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with pytest.raises(ProcessError):
        start(monkeypatch, WAIT, "os._exit(3)")
    assert list(folder.iterdir()) == []
