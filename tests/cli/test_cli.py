"""The command line as it is installed: help, exit codes, and one line for an expected error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from command import EXTRACT
from installed_plugins import TOY, Site

from fieldsmith import __version__
from fieldsmith.cli import COMMANDS
from fieldsmith.cli.terminal import printable

HEAVY = ("accelerate", "bitsandbytes", "datasets", "peft", "torch", "transformers", "trl")
LOAD = "    yield Example("


def python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


# Help


@pytest.mark.parametrize(
    "code",
    [
        "import fieldsmith",
        "import fieldsmith.cli, fieldsmith.cli.plugins, fieldsmith.cli.doctor",
        "import fieldsmith.settings, fieldsmith.plugins; fieldsmith.plugins.load('medical_ner')",
        "from fieldsmith.cli import cli; cli(['--help'], standalone_mode=False)",
        *(
            f"from fieldsmith.cli import cli; cli(['{name}', '--help'], standalone_mode=False)"
            for name in COMMANDS
        ),
    ],
)
def test_what_needs_no_model_imports_no_torch(code: str) -> None:
    loaded = python(f"{code}\nimport sys\nprint('\\nloaded', *sys.modules)").rpartition("loaded")[2]
    assert not set(HEAVY) & set(loaded.split())


def test_help_lists_each_command(site: Site) -> None:
    text = site.run_installed("--help").stdout
    assert "Example:" in text
    for name, line in COMMANDS.items():
        assert f"  {name} " in text
        assert line in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_an_example(site: Site, name: str) -> None:
    answer = site.run_installed(name, "--help")
    assert answer.returncode == 0, answer.stderr
    example = answer.stdout.partition("Example:\n")[2]
    assert f"extract {name}" in example.partition("Options:")[0]


def test_the_version(site: Site) -> None:
    assert site.run_installed("--version").stdout == f"extract (fieldsmith) {__version__}\n"


# Exit codes


def test_an_unknown_command_is_wrong_usage(site: Site) -> None:
    answer = site.run_installed("trian")
    assert answer.returncode == 2
    assert "no command is called 'trian'; did you mean train?" in answer.stderr


@pytest.mark.parametrize("arguments", [["--frobnicate"], ["plugins", "--with", "loud"]])
def test_wrong_usage_is_2(site: Site, arguments: list[str]) -> None:
    answer = site.run_installed(*arguments)
    assert answer.returncode == 2
    assert answer.stderr.startswith("Usage: extract")


def test_an_expected_error_is_one_line_that_a_terminal_can_show(site: Site) -> None:
    site.install(
        "toy", TOY.replace(LOAD, f"    raise fieldsmith.InputError('a\\n\\x1b[2Jü')\n{LOAD}")
    )
    answer = site.run_installed("plugins", "toy")
    assert answer.returncode == 1
    assert answer.stderr == "extract: error: a\\n\\x1b[2Jü\n"
    assert answer.stdout == ""


def test_a_bug_of_a_plugin_keeps_its_traceback_under_debug(site: Site) -> None:
    site.install("toy", TOY.replace(LOAD, f"    raise KeyError('lost')\n{LOAD}"))
    answer = site.run_installed("plugins", "toy")
    assert answer.returncode == 1
    assert answer.stderr.startswith("extract: error: plugin 'toy'")
    assert answer.stderr.count("\n") == 1
    answer = site.run_installed("plugins", "toy", "--debug")
    assert "Traceback" in answer.stderr
    assert "KeyError: 'lost'" in answer.stderr


def test_ctrl_c_is_130_and_one_line(site: Site) -> None:
    interrupt = "    import os, signal\n    os.kill(os.getpid(), signal.SIGINT)\n"
    site.install("toy", TOY.replace(LOAD, interrupt + LOAD))
    answer = subprocess.run(
        [EXTRACT, "plugins", "toy"],
        env={**os.environ, "PYTHONPATH": str(site.path)},
        capture_output=True,
        text=True,
        check=False,
        # A job in the background of a shell ignores the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert answer.returncode == 130
    assert answer.stderr.strip() == "extract: interrupted"


@pytest.mark.parametrize("size", [1, 200_000])
def test_a_reader_that_leaves_is_no_error(site: Site, size: int) -> None:
    site.install("toy", TOY.replace("do it NOW", "NOW " * size))
    reading, writing = os.pipe()
    os.close(reading)
    answer = subprocess.run(
        [EXTRACT, "plugins", "toy"],
        env={**os.environ, "PYTHONPATH": str(site.path)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert answer.stderr == ""
    assert answer.returncode == 1


# extract plugins


def test_plugins_lists_what_is_installed(site: Site) -> None:
    site.install("toy")
    lines = site.run_installed("plugins").stdout.splitlines()
    assert lines[0].split() == ["name", "distribution", "version", "description"]
    assert ["toy", "toy-plugin", "1.0", "Words", "that", "are", "shouted."] in [
        line.split() for line in lines
    ]
    rows = {line.split()[0]: line for line in lines}
    words = {"name": "desc", "medical_ner": "Chem", "toy": "Words"}
    columns = {rows[name].index(word) for name, word in words.items()}
    assert len(columns) == 1


def test_a_plugin_is_shown_with_its_prompt(site: Site) -> None:
    site.install("toy")
    shown = json.loads(site.run_installed("plugins", "toy", "--json").stdout)
    assert shown["schema"] == {
        "type": "object",
        "properties": {"loud": {"type": "array"}},
        "additionalProperties": False,  # as it is closed at load
    }
    assert shown["sample"]["record"] == {"loud": ["NOW"]}
    assert shown["prompt"] == [{"role": "user", "content": "Which words of 'do it NOW' are loud?"}]
    page = site.run_installed("plugins", "toy").stdout
    for text in ("Prompt: user", "Which words of", "do it NOW", '"loud": ['):
        assert text in page


def test_our_plugin_s_sample_can_be_shown(site: Site) -> None:
    shown = json.loads(site.run_installed("plugins", "medical_ner", "--json").stdout)
    assert shown["sample"]["document"]["text"] in shown["prompt"][-1]["content"]
    assert [part["content"] for part in shown["brief_prompt"]] == [
        "Extract as JSON: chemicals[], diseases[], relations[]{chemical, disease}",
        shown["sample"]["document"]["text"],
    ]
    page = site.run_installed("plugins", "medical_ner").stdout
    assert "\nPrompt: system\n" in page
    assert "\nBrief prompt: system\n" in page
    assert shown["settings"]


def test_a_plugin_without_a_sample_is_shown_without(site: Site) -> None:
    site.install("toy", TOY.replace(LOAD, f"    return\n{LOAD}"))
    assert json.loads(site.run_installed("plugins", "toy", "--json").stdout)["sample"] is None
    assert "bundles no example" in site.run_installed("plugins", "toy").stdout


def test_a_document_cannot_drive_the_terminal(site: Site) -> None:
    site.install("toy", TOY.replace("do it NOW", r"\x1b]0;title\x07 [bold]NOW[/bold]"))
    page = site.run_installed("plugins", "toy").stdout
    assert "\x1b" not in page
    assert "\\x1b]0;title\\x07 [bold]NOW[/bold]" in page


def test_printable_keeps_what_can_be_read() -> None:
    assert printable("ü 日本 \U0001f600") == "ü 日本 \U0001f600"
    assert printable("a\tb\nc", keep="\n") == "a\\tb\nc"
    assert printable("\u202e\u2028\x85") == "\\u202e\\u2028\\x85"
