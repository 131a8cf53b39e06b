"""Whatever a plugin does: one line that names it and the hook, and nobody else is disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from command import EXTRACT, Command
from hypothesis import given
from hypothesis import strategies as st
from installed_plugins import GOOD, SHIPPED, TOY, Site
from invented_plugins import NAMES, no_counts, no_examples, plugin_of

from fieldsmith import (
    Counts,
    Document,
    Example,
    InputError,
    PageWord,
    Prediction,
    Reject,
    plugins,
)
from fieldsmith.authoring.checks import CHECKS, CheckResult, name_of, run_check
from fieldsmith.authoring.plugin_under_test import PluginUnderTest
from fieldsmith.contract import checked_schema
from fieldsmith.errors import FieldsmithError, PluginError
from fieldsmith.plugin_code.calls import Limits, PluginCall, limited_calls, plugins_on_a_terminal
from fieldsmith.plugins import Plugin
from fieldsmith.schema.records import first_problem

DOCUMENT = Document("one", "do it NOW")

# Exceptions, in every place where a plugin's code runs

EXCEPTIONS = (
    "ValueError('no')",
    "KeyError('name')",
    "AssertionError()",
    "RecursionError('too deep')",
    "MemoryError()",
    "StopIteration(1)",
    "StopAsyncIteration()",
    "GeneratorExit()",
    "KeyboardInterrupt()",
    "SystemExit(3)",
    "SystemExit('bye')",
    "BaseException('base')",
    "type('Silent', (Exception,), {'__str__': lambda self: 1 / 0})()",
    "type('Rude', (BaseException,), {'__str__': lambda self: None})()",
    "ValueError('two\\nlines\\x1b[2J')",
    "ValueError('x' * 10**6)",
    "ExceptionGroup('two', [ValueError('a'), KeyError('b')])",
    "fieldsmith.InputError('mine')",
)

RAISE = "raise {}\n"
OPTIONAL = "\n@fieldsmith.hookimpl\ndef {}:\n    raise {}\n"
ITERATOR = """
class Rows:
    def __iter__(self):
        return self

    def __next__(self):
        raise {}
"""


def with_fault(place: str, error: str) -> str:
    """Return the toy plugin with an exception raised in one place."""
    if place == "import":
        return TOY + RAISE.format(error)
    if place in OPTIONAL_HOOKS:
        return TOY + OPTIONAL.format(OPTIONAL_HOOKS[place], error)
    if place == "iterator":
        return TOY.replace("    yield Example", "    return Rows(); Example") + ITERATOR.format(
            error
        )
    old, new = PLACES[place]
    assert old in TOY
    return TOY.replace(old, new.format(error), 1)


PLACES = {
    "extract_schema": ("    return {", "    raise {}\n    return {{"),
    "extract_prompt": ("    return [", "    raise {}\n    return ["),
    "extract_metric": ('    return {"loud": (', '    raise {}\n    return {{"loud": ('),
    "first row": ("    yield", "    raise {}\n    yield"),
    "second row": ('["NOW"]})', '["NOW"]}})\n    raise {}'),
}
OPTIONAL_HOOKS = {
    "extract_settings": "extract_settings(preset)",
    "extract_export": "extract_export(records, format)",
    "extract_fetch": "extract_fetch()",
    "extract_brief_prompt": "extract_brief_prompt(document, schema)",
}
# place -> what the message says beside the plugin
NAMED = {
    "import": "cannot be imported",
    "iterator": "extract_load failed at row 1 of the sample",
    "first row": "extract_load failed at row 1 of the sample",
    "second row": "extract_load failed at row 2 of the sample",
    "extract_schema": "extract_schema failed",
    "extract_prompt": "extract_prompt failed for document 'one'",
    "extract_brief_prompt": "extract_brief_prompt failed for document 'one'",
    "extract_metric": "extract_metric failed for document 'one'",
    "extract_settings": "extract_settings failed for preset embedded",
    "extract_export": "extract_export failed for format 'x'",
    "extract_fetch": "extract_fetch failed",
}


def use_every_hook() -> None:
    """Load the toy plugin and call its hooks, each once."""
    plugin = plugins.load("toy")
    plugin.settings("embedded")
    plugin.prompt(DOCUMENT)
    plugin.brief_prompt(DOCUMENT)
    plugin.metric(Example(DOCUMENT, {}), Prediction(DOCUMENT))
    list(plugin.load(None))
    plugin.sources()
    plugin.export({}, "x")


@pytest.mark.parametrize("error", EXCEPTIONS)
@pytest.mark.parametrize("place", NAMED)
def test_an_exception_of_any_kind_becomes_one_line(here: Site, place: str, error: str) -> None:
    here.install("toy", with_fault(place, error))
    ends = place == "iterator" and error.startswith("StopIteration")
    data_hooks = ("extract_load", "extract_export", "extract_fetch")
    passes = "InputError" in error and NAMED[place].startswith(data_hooks)
    with plugins_on_a_terminal(), pytest.raises(FieldsmithError) as caught:
        use_every_hook()
    if ends:  # as an iterator should end; the next thing that it lacks is a format
        assert "has no format of its own" in str(caught.value)
    elif passes:  # an error about the user's data, which the hook may raise
        assert type(caught.value) is InputError
    else:
        assert str(caught.value).startswith("plugin 'toy' (toy-plugin 1.0)")
        assert NAMED[place] in str(caught.value)
        assert len(str(caught.value)) < 800
        cause = caught.value.__cause__
        assert cause is not None
        assert cause.__traceback__ is not None


def test_where_no_command_runs_a_keyboard_interrupt_is_the_user_s(here: Site) -> None:
    here.install("toy", with_fault("extract_prompt", "KeyboardInterrupt()"))
    with pytest.raises(KeyboardInterrupt):
        plugins.load("toy").prompt(DOCUMENT)


def test_ctrl_c_stops_a_plugin(site: Site) -> None:
    started = site.path / "started"
    slow = f"    open({str(started)!r}, 'w').close()\n    __import__('time').sleep(60)\n    yield"
    site.install("toy", TOY.replace("    yield", slow))
    process = subprocess.Popen(
        [EXTRACT, "audit", "--plugin", "toy"],
        env={**os.environ, "PYTHONPATH": str(site.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not started.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert errors.splitlines()[-1] == "extract: interrupted"


@pytest.mark.parametrize("flag", [["--debug", "plugins", "toy"], ["plugins", "toy", "--debug"]])
def test_debug_shows_the_plugin_s_own_traceback(site: Site, flag: list[str]) -> None:
    site.install("toy", with_fault("extract_prompt", "GeneratorExit('mine')"))
    plain, debug = site.extract("plugins", "toy"), site.extract(*flag)
    assert (plain.returncode, debug.returncode) == (1, 1)
    assert plain.stderr.count("\n") == 1
    assert plain.stderr == debug.stderr.splitlines(keepends=True)[-1]
    assert "in extract_prompt\n    raise GeneratorExit('mine')" in debug.stderr


# Values

VALUES = (
    "7", "None", "True", "1.5", "float('nan')", "10**5000", "b'x'", "'\\ud800'", "['a']", "{1: 2}",
    "{'a': {1, 2}}", "object()", "lambda: 1", "type('E', (), {'__repr__': lambda s: 1 / 0})()",
    "type('S', (str,), {'__len__': lambda s: 1 / 0})('x')",
)  # fmt: skip
"""What no id is, and no text, message, record, span, count, setting or exported file."""

SLOTS = {
    "id": "Document({}, 'text')",
    "text": "Document('one', {})",
    "meta": "Document('one', 'text', {})",
    "meta value": "Document('one', 'text', {{'url': {}}})",
    "meta key": "Document('one', 'text', {{{}: 'x'}})",
    "words": "Document('one', 'text', {{}}, {})",
    "word": "Document('one', 'text', {{}}, [PageWord(0, 4, 1, 0, 0, 9, {})])",
    "place of a word": "Document('one', 'text', {{}}, [PageWord(0, {}, 1, 0, 0, 9, 9)])",
    "document": "{}",
}
EXAMPLES = {
    "record": "Example(DOCUMENT, {})",
    "record value": "Example(DOCUMENT, {{'loud': {}}})",
    "record key": "Example(DOCUMENT, {{{}: 1}})",
    "mentions": "Example(DOCUMENT, {{}}, {})",
    "spans": "Example(DOCUMENT, {{}}, {{'/loud': {}}})",
    "span": "Example(DOCUMENT, {{}}, {{'/loud': [{}]}})",
    "offset": "Example(DOCUMENT, {{}}, {{'/loud': [(0, {})]}})",
    "split": "Example(DOCUMENT, {{}}, {{}}, {})",
    "place": "Example(DOCUMENT, {{}}, {{}}, None, {})",
    "passed over": "Example(DOCUMENT, {{}}, passed_over={})",
    "reject": "Reject('x', 'y', {})",
    "row": "{}",
}


class Evil:
    """Fails when it is looked at."""

    def __repr__(self) -> str:
        raise ZeroDivisionError

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]


def rows_of(expression: str) -> list[Any]:
    names = {"Document": Document, "Example": Example, "Reject": Reject, "DOCUMENT": DOCUMENT}
    names["PageWord"] = PageWord
    return [Example(DOCUMENT, {}), eval(expression, names)]


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("slot", [*SLOTS, *EXAMPLES])
def test_what_a_loader_yields_is_plain_or_refused(slot: str, value: str) -> None:
    shape = EXAMPLES.get(slot) or f"Example({SLOTS[slot]}, {{{{}}}})"
    try:
        rows = rows_of(shape.format(value))
    except TypeError:  # an unhashable key
        return
    plugin = plugin_of(NAMES, load=lambda _source: rows)
    try:
        made = list(plugin.load(None))
    except PluginError as error:
        told(error, "extract_load ", "row 2 of the sample")
    else:
        assert_plain(made)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=5)
    | st.binary(max_size=3)
    | st.builds(Evil)
    | st.just(set)
    | st.builds(lambda: 10**5000),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)
MESSY = st.one_of(
    st.builds(
        Example,
        st.builds(Document, ANYTHING, ANYTHING, ANYTHING) | st.just(DOCUMENT),
        ANYTHING | st.fixed_dictionaries({"names": ANYTHING}),
        st.just({}) | ANYTHING,
        st.none() | ANYTHING,
        st.just("") | ANYTHING,
    ),
    st.builds(Reject, ANYTHING, st.just(""), ANYTHING),
    ANYTHING,
)


@given(st.lists(MESSY, max_size=3))
def test_rows_of_any_kind_are_plain_or_refused(rows: list[Any]) -> None:
    plugin = plugin_of(NAMES, load=lambda _source: rows)
    made: list[Example | Reject] = []
    try:
        made += plugin.load(None)
    except PluginError as error:
        told(error, "extract_load ", "of the sample")
    assert_plain(made)


@given(ANYTHING)
def test_counts_of_any_kind_are_numbers_or_refused(counts: Any) -> None:
    plugin = plugin_of(NAMES, metric=lambda *_arguments: counts)
    try:
        made = plugin.metric(Example(DOCUMENT, {}), Prediction(DOCUMENT))
    except PluginError as error:
        told(error, "extract_metric returned", "for document 'one'")
    else:
        assert all(
            type(name) is str and list(map(type, made[name])) == [float] * 3 for name in made
        )


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e13", "1e308"])
def test_a_count_that_cannot_be_summed_is_refused(number: str) -> None:
    plugin = plugin_of(NAMES, metric=lambda *_arguments: {"names": Counts(0, float(number), 1)})
    with pytest.raises(PluginError, match="extract_metric returned"):
        plugin.metric(Example(DOCUMENT, {}), Prediction(DOCUMENT))


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("hook", ["settings", "export", "prompt", "content", "role"])
def test_what_another_hook_returns_is_plain_or_refused(here: Site, hook: str, value: str) -> None:
    returned = "\n@fieldsmith.hookimpl\ndef {}:\n    return {}\n"
    source = {
        "settings": TOY + returned.format("extract_settings(preset)", value),
        "export": TOY + returned.format("extract_export(records, format)", value),
        "prompt": TOY.replace("return [", f"return {value}; ["),
        "content": TOY.replace("return [", f"return [Message('user', {value})]; ["),
        "role": TOY.replace("return [", f"return [Message({value}, 'x')]; ["),
    }[hook]
    here.install("toy", source)
    plugin = plugins.load("toy")
    try:
        text = plugin.export({}, "x") if hook == "export" else ""
        settings = plugin.settings("embedded") if hook == "settings" else {}
        messages = plugin.prompt(DOCUMENT)
    except FieldsmithError as error:
        if "has no format of its own" not in str(error):  # None
            told(error, " returned ", "")
    else:
        assert text.encode() is not None
        json.dumps(settings).encode()
        assert all(type(each.content) is str and each.content.encode() for each in messages)


def told(error: Exception, *parts: str) -> None:
    """Check that a message is one line that names the plugin and all parts."""
    text = str(error)
    assert text.startswith("plugin '")
    assert all(part in text for part in parts), text
    assert len(text) < 600
    assert "\n" not in text


def assert_plain(rows: list[Example | Reject]) -> None:
    for row in rows:
        json.dumps(asdict(row), ensure_ascii=False, allow_nan=False).encode()
        if isinstance(row, Example):
            assert type(row.document.id) is type(row.document.text) is str


# Standard output

PRINTS = (
    "import os, sys\nprint('A')\nos.write(1, b'B\\n')\nos.system('echo C')\n"
    "sys.__stdout__.write('D\\n')\n"
)


def test_only_results_are_on_standard_output(site: Site) -> None:
    inside = PRINTS.replace("\n", "\n    ")
    hooks = GOOD.replace("    return [\n", f"    {inside}return [\n").replace(
        "    gold, found", f"    {inside}gold, found"
    )
    site.install("good", hooks + PRINTS)
    (site.path / "sample.jsonl").write_text('{"note": "Ada"}\n', encoding="utf-8")
    for command in (
        ["plugins", "--json"],
        ["plugins", "good", "--json"],
        ["check", "good", "--json"],
        ["audit", "--plugin", "good", "--json"],
    ):
        answer = site.extract(*command)
        json.loads(answer.stdout)  # and nothing else
        if command[0] != "plugins" or len(command) == 3:
            assert "A\nB\nC\nD\n" in answer.stderr


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_plugin_that_closes_a_stream_closes_its_own(
    here: Site, command: Command, stream: str
) -> None:
    closing = f"    import sys; print('A'); sys.{stream}.close()\n    return ["
    here.install("toy", TOY.replace("    return [", closing))
    answer = command("plugins", "toy", "--json")
    assert (answer.code, answer.errors) == (0, "A\n" * answer.errors.count("A"))
    assert json.loads(answer.output)["name"] == "toy"
    here.install(
        "broken", TOY.replace("    return [", closing.replace("return", "raise SystemExit"))
    )
    answer = command("plugins", "broken")
    assert answer.code == 1
    assert answer.errors.splitlines()[-1].startswith("extract: error: plugin 'broken' (broken-")


def test_as_a_library_a_plugin_prints_where_it_wants(
    here: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    here.install("toy", TOY.replace("    return [", "    print('hello')\n    return ["))
    plugins.load("toy").prompt(DOCUMENT)
    assert capsys.readouterr().out == "hello\n"


# Plugins that end their process, or do not end

ENDS = "\nimport os\nos._exit(0)\n"
CRASHES = "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"


def test_a_plugin_that_ends_its_process_disturbs_nobody(site: Site) -> None:
    site.install("ends", TOY + ENDS)
    site.install("crashes", TOY + CRASHES)
    site.install("toy")
    answer = site.extract("plugins", "--json")
    states = {row["name"]: row["state"] for row in json.loads(answer.stdout)}
    assert states.pop("ends") == "cannot be imported: it ends the process (exit code 0)"
    assert states.pop("crashes") == "cannot be imported: it ends the process (exit code -9)"
    assert states == dict.fromkeys((*SHIPPED, "toy"), plugins.OK)
    checked = site.extract("check", "ends")
    assert checked.returncode == 1
    assert checked.stdout.startswith("fail  loads: plugin 'ends' (ends-plugin 1.0): importing")


def test_metadata_that_is_no_text_disturbs_nobody(site: Site) -> None:
    site.install("toy")
    site.declare("odd", "1.0")
    (site.path / "odd-1.0.dist-info" / "entry_points.txt").write_bytes(b"[extract.plugins]\n\xff=x")
    assert site.extract("plugins", "toy").returncode == 0


ENDLESS = {
    "import that sleeps": TOY + "\nimport time\ntime.sleep(1000)\n",
    "import that runs": TOY + "\nwhile True: pass\n",
    "schema": TOY.replace("    return {", "    while True: pass\n    return {", 1),
    "rows": TOY.replace("    yield ", "    while True: yield "),
    "long rows": TOY.replace("    yield ", "    while True: yield ").replace(
        '"do it NOW"', '"NOW " * 10**6'
    ),
    "first row": TOY.replace("    yield ", "    while True: pass\n    yield "),
    "rows that sleep": TOY.replace(
        "    yield ", "    while not __import__('time').sleep(.1): yield "
    ),
    "stubborn rows": TOY.replace(
        "    yield ",
        "    while True:\n        try:\n            while True: pass\n"
        "        except Exception: pass\n    yield ",
    ),
    "prompt": TOY.replace("    return [", "    while True: pass\n    return ["),
    "prompt that searches": TOY.replace(
        "    return [", "    __import__('re').match('(a+)+$', 'a' * 99 + 'b')\n    return ["
    ),
    "metric": TOY.replace('    return {"l', '    while True: pass\n    return {"l'),
}  # fmt: skip
TRIED = {
    "loads", "sample_is_valid", "loader_is_deterministic", "prompt_holds_the_document",
    "prompt_is_repeatable", "metric_counts",
}  # fmt: skip
"""Checks that call each hook; the others take seconds of their own."""


@pytest.mark.parametrize("fault", ENDLESS)
def test_checks_stop_what_does_not_end(here: Site, fault: str) -> None:
    here.install("toy", ENDLESS[fault])
    tested = PluginUnderTest("toy", (), Limits(seconds=1, rows=300, characters=10_000_000))
    began = time.monotonic()
    found = list(_checked(tested))
    assert time.monotonic() - began < 90
    stopped = [
        each
        for each in found
        if each.state == "fail" and "does not end, and was stopped" in each.detail
    ]
    assert stopped, found
    assert all("plugin 'toy' (toy-plugin 1.0)" in each.detail for each in stopped)


def _checked(tested: PluginUnderTest) -> Iterator[CheckResult]:
    for check in CHECKS:
        if name_of(check) in TRIED:
            yield run_check(check, tested)


@pytest.mark.slow
def test_a_plugin_that_takes_all_memory_is_told(site: Site) -> None:
    greedy = "    hoard = [bytearray(10**9) for _ in range(100)]\n    yield"
    site.install("toy", TOY.replace("    yield", greedy))
    answer = site.extract("check", "toy")
    assert answer.returncode == 1
    assert "extract_load failed at row 1 of the sample: MemoryError" in answer.stdout


def test_limits_hold_within_their_context_alone() -> None:
    plugin = plugin_of(NAMES, load=lambda _source: (Example(DOCUMENT, {}) for _ in range(50)))
    with limited_calls(Limits(rows=10)), pytest.raises(PluginError, match="stopped after 10 rows"):
        list(plugin.load(None))
    assert len(list(plugin.load(None))) == 50


def test_time_spent_elsewhere_does_not_count() -> None:
    with limited_calls(Limits(seconds=0.2)):
        for _ in range(3):
            with PluginCall("plugin 'x' (y 1)", "extract_prompt"):
                pass
            time.sleep(0.15)


# Schemas


def record_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def nested(levels: int) -> dict[str, Any]:
    part: dict[str, Any] = {"type": ["string", "null"]}
    for _ in range(levels):
        part = record_of(inner=part)
    return part


def containing_itself() -> dict[str, Any]:
    made = record_of(name={"type": ["string", "null"]})
    made["properties"]["inner"] = made
    return made


def shared(levels: int) -> dict[str, Any]:
    part: dict[str, Any] = {"type": ["string", "null"]}
    for _ in range(levels):
        part = record_of(**dict.fromkeys("abcdefghij", part))
    return part


TEXT = {"type": ["string", "null"]}
SCHEMAS: dict[str, tuple[Any, str]] = {
    "deep": (nested(5_000), "nested deeper than 128 levels"),
    "deep enough to fail": (nested(100), "nested deeper than 128 levels"),
    "within itself": (containing_itself(), "nested deeper than 128 levels"),
    "shared": (shared(12), "more than 100,000 values"),
    "itself": (record_of(a={"$ref": "#/properties/a"}), "/properties/a: '$ref' leads back here"),
    "in a circle": (
        {**record_of(a={"$ref": "#/$defs/x"}), "$defs": {"x": {"$ref": "#/$defs/x"}}},
        "/$defs/x: '$ref' leads back here",
    ),
    "items": (
        record_of(a={"type": "array", "items": TEXT, "minItems": 10**9}),
        "/properties/a: 'minItems' demands 1e+09 items",
    ),
    "spans": (
        record_of(a={"type": "array", "items": {**TEXT, "x-source": "verbatim"}, "minItems": 9999}),
        "/properties/a: 'minItems' demands 9999 items",
    ),
    "length": (record_of(a={**TEXT, "minLength": 10**9}), "/properties/a: 'minLength' demands"),
    "keys": (
        record_of(a={"type": "object", "additionalProperties": TEXT, "minProperties": 10**6}),
        "/properties/a: 'minProperties' demands",
    ),
    "numbers": (record_of(a={"type": ["integer", "null"], "multipleOf": 10**400}), "'multipleOf'"),
    "long pattern": (record_of(a={**TEXT, "pattern": "a" * 10_000}), "'pattern' has 10000 char"),
    "look-ahead": (record_of(d={**TEXT, "pattern": "^(?!x)[a-z]+$"}), "/properties/d: 'pattern'"),
    "look-behind": (record_of(d={**TEXT, "pattern": "(?<=a)b"}), "/properties/d: 'pattern'"),
    "back-reference": (record_of(d={**TEXT, "pattern": r"(a)\1"}), "/properties/d: 'pattern'"),
    "look-ahead further in": (
        record_of(a=record_of(b={"type": "array", "items": {**TEXT, "pattern": "(?=a)a"}})),
        "/properties/a/properties/b/items: 'pattern'",
    ),
    "values": (record_of(a={"enum": [str(n) for n in range(200_000)]}), "more than 100,000 values"),
    "bytes": (record_of(a={"type": "string", "default": b"x"}), "'default' is bytes"),
    "no number": (record_of(a={"type": "number", "minimum": float("nan")}), "'minimum' is "),
    "number as a key": ({"type": "object", "properties": {1: TEXT}}, "in 'properties' is int"),
    "half a character": (record_of(**{"\ud800": TEXT}), "half a surrogate pair"),
    "list": ([record_of(a=TEXT)], "it has to be a dict"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_that_cannot_be_used_is_refused_in_one_line(name: str) -> None:
    schema, said = SCHEMAS[name]
    with pytest.raises(PluginError) as caught:
        checked_schema(schema, "plugin 'toy' (toy-plugin 1.0)")
    told(caught.value, said)


def test_a_pattern_that_takes_for_ever_fails_in_time() -> None:
    schema = checked_schema(record_of(a={**TEXT, "pattern": "^(a|aa)+$"}), "plugin 'x' (y 1)")
    schema["patternProperties"] = {"^(b|bb)+$": TEXT}
    began = time.monotonic()
    assert first_problem({"a": "aaaa"}, schema) is None
    for record in ({"a": "a" * 60 + "!"}, {"b" * 60 + "!": "x"}):
        assert "takes longer than 1 s" in (first_problem(record, schema) or ("", ""))[1]
    assert time.monotonic() - began < 20


def test_nothing_else_is_asked_of_a_plugin(tmp_path: Path) -> None:
    """The plainest plugin keeps working: no rows, no counts, no settings."""
    plugin: Plugin = plugin_of(NAMES, load=no_examples, metric=no_counts)
    assert list(plugin.load(tmp_path)) == []
    assert plugin.metric(Example(DOCUMENT, {}), Prediction(DOCUMENT)) == {}
    assert plugin.settings("embedded") == {}
