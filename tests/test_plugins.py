"""Plugins are found, loaded and refused as the contract says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from installed_plugins import SHIPPED, TOY, Site

from fieldsmith import Document, Example, InputError, Message, Prediction, plugins
from fieldsmith.errors import PluginError

WRAPPER = '''
"""Shouts the prompt of others."""

import fieldsmith


@fieldsmith.hookimpl(wrapper=True)
def extract_prompt(document, schema):
    messages = yield
    return [fieldsmith.Message("system", "{name}"), *messages]


@fieldsmith.hookimpl
def extract_settings(preset):
    return {{"epochs": 99}}
'''.lstrip()


def entry(name: str) -> plugins.Installed:
    return next(each for each in plugins.find() if each.name == name)


# Finding


def test_our_own_plugin_is_found_like_anyone_s() -> None:
    found = entry("medical_ner")
    assert (found.distribution, found.state) == ("fieldsmith", plugins.OK)
    assert found.description


def test_find_reads_the_first_line_without_an_import(here: Site) -> None:
    here.install("toy", TOY + "\nraise RuntimeError('imported')\n")
    found = entry("toy")
    assert found.description == "Words that are shouted."
    assert (found.distribution, found.version, found.state) == ("toy-plugin", "1.0", plugins.OK)


def test_find_does_not_import_the_package_around_a_plugin(here: Site) -> None:
    package = here.path / "parent"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    (package / "child.py").write_text('"""A child."""', encoding="utf-8")
    here.declare("parent", "1.0", "[extract.plugins]\ntoy = parent.child\n")
    assert entry("toy").description == "A child."


def test_only_the_plugin_asked_for_is_imported(here: Site) -> None:
    here.install("toy")
    marker = here.path / "imported"
    here.install("other", f"open({str(marker)!r}, 'w').close()\n" + TOY)
    plugins.load("toy")
    assert not marker.exists()
    plugins.load("other")
    assert marker.exists()


@pytest.mark.parametrize(
    ("source", "target", "state"),
    [
        ("def broken(:\n", None, "SyntaxError"),
        (TOY, "no_such_module", "'no_such_module'"),
        ("import no_such_package\n" + TOY, None, "No module named 'no_such_package'"),
        ("raise SystemExit(3)\n", None, "SystemExit: 3"),
        (TOY.replace("def extract_load", "def extract_lode"), None, "extract_lode"),
        (TOY.replace('"array"', '"array", "contains": {}'), None, "contains"),
    ],
)
def test_a_broken_plugin_is_listed_and_disturbs_nobody(
    site: Site, source: str, target: str | None, state: str
) -> None:
    site.install("toy")
    site.install("broken", source, target=target)
    listing = site.extract("plugins", "--json")
    assert listing.returncode == 0, listing.stderr
    states = {row["name"]: row["state"] for row in json.loads(listing.stdout)}
    assert state in states.pop("broken")
    assert states == dict.fromkeys((*SHIPPED, "toy"), plugins.OK)
    assert "BROKEN: " in site.extract("plugins").stdout
    assert site.extract("plugins", "toy").returncode == 0
    refused = site.extract("plugins", "broken")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "plugin 'broken' (broken-plugin 1.0)" in refused.stderr
    assert state in refused.stderr


def test_metadata_that_is_not_well_formed_disturbs_nobody(here: Site) -> None:
    here.install("toy")
    here.declare("garbled", "1.0", "[extract.plugins]\nno equals sign\n")
    assert plugins.load("toy").name == "toy"
    assert "entry_points.txt is broken" in entry("garbled").state
    with pytest.raises(PluginError, match=r"'garbled' \(garbled 1.0\) cannot be read"):
        plugins.load("garbled")


def test_an_unknown_name_is_answered_with_the_nearest(site: Site) -> None:
    answer = site.extract("plugins", "medical_nre")
    assert answer.returncode == 1
    assert answer.stderr == (
        "extract: error: no plugin is called 'medical_nre'; "
        f"did you mean medical_ner? Known: {', '.join(SHIPPED)}\n"
    )


def test_two_distributions_of_one_name_are_refused(site: Site) -> None:
    site.install("toy", distribution="left")
    site.install("toy", distribution="right", version="2.0")
    answer = site.extract("plugins", "toy")
    assert answer.returncode == 1
    assert "from left 1.0 and right 2.0; uninstall one" in answer.stderr
    rows = json.loads(site.extract("plugins", "--json").stdout)
    assert [row["state"].split(":")[0] for row in rows if row["name"] == "toy"] == [
        "comes twice",
        "comes twice",
    ]


def test_one_distribution_that_declares_a_name_twice_is_refused(here: Site) -> None:
    here.declare("left", "1.0", "[extract.plugins]\ntoy = one\ntoy = two\n")
    with pytest.raises(PluginError, match=r"left 1\.0 declares it for one and two"):
        plugins.load("toy")


def test_a_distribution_that_is_listed_twice_is_no_duplicate(
    here: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.install("toy")
    copy = tmp_path / "copy"
    shutil.copytree(here.path, copy)
    monkeypatch.syspath_prepend(copy)
    assert plugins.load("toy").name == "toy"


# Loading


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def extract_metric(", "def _metric(", "lacks extract_metric|'_metric' is not"),
        ("def extract_prompt(", "def extract_promt(", "'extract_promt'.*mean extract_prompt"),
        (
            "def extract_prompt(",
            "def extract_frobnicate(",
            "'extract_frobnicate' is not a fieldsmith hook",
        ),
        ("@fieldsmith.hookimpl\ndef extract_load", "def extract_load", "'extract_load' is not mar"),
        (
            "@fieldsmith.hookimpl\ndef extract_load",
            "def extract_loads",
            "'extract_loads' is not a fieldsmith hook; did you mean extract_load",
        ),
        ("@fieldsmith.hookimpl\ndef extract_load", "def read", "lacks extract_load"),
        (
            "@fieldsmith.hookimpl\ndef extract_load(source)",
            "@fieldsmith.hookimpl(wrapper=True)\ndef extract_load(source)",
            "lacks extract_load",
        ),
        (
            "@fieldsmith.hookimpl\ndef extract_load(source)",
            "@fieldsmith.hookimpl\ndef read(source): ...\n"
            "@fieldsmith.hookimpl(hookwrapper=True)\ndef extract_load(source)",
            "'read'",
        ),
        ("(source):", "(source, split):", r"extract_load\(source, split\) has to be"),
        ("(source):", "(source=None):", r"be extract_load\(source, names\), without defaults"),
        ("(source):", "(*, source):", "none keyword-only"),
        ("(source):", "(*source):", "without defaults"),
        ("(source):", "(path):", r"be extract_load\(source, names\)"),
        ('"type": "object"', '"type": "list"', r"schema is not valid at \$.type"),
        ('"type": "object"', '"type": "array"', "describes 'array'; a record is an object"),
        ('"type": "object", ', "", "describes None"),
        ('"type": "object"', '"x-note": {1, 2}, "type": "object"', "schema is not JSON"),
        (
            '{"type": "array"}',
            '{"type": "array", "contains": {}}',
            "the schema at /properties/loud: 'contains'",
        ),
        (
            '{"type": "array"}',
            '{"type": "string", "x-source": "verbatim", "pattern": "a+"}',
            "the schema at /properties/loud: 'pattern'",
        ),
        ('{"type": "array"}', '{"$ref": "#/$defs/loud"}', r"at /properties/loud: '\$ref'"),
        ('return {"type"', 'return "schema.json"; {"type"', "returned str 'schema.json'"),
        ("return {", "return; {", "extract_schema returned NoneType None"),
        ("return {", "open('nowhere.json'); {", "extract_schema failed: FileNotFoundError: .*:12"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_refused_in_one_line(
    here: Site, old: str, new: str, message: str
) -> None:
    assert old in TOY
    here.install("toy", TOY.replace(old, new, 1))
    with pytest.raises(PluginError, match=message) as caught:
        plugins.load("toy")
    assert str(caught.value).startswith("plugin 'toy' (toy-plugin 1.0)")
    assert plugins.state_of(entry("toy")) != plugins.OK


def test_a_wrapper_that_is_no_generator_is_refused(here: Site) -> None:
    bad = WRAPPER.format(name="x").replace("    messages = yield\n", "    messages = []\n")
    here.install("toy")
    here.install("bad", bad)
    with pytest.raises(PluginError, match=r"'bad'.*refused by pluggy"):
        plugins.load("toy", ["bad"])


def test_a_failed_import_says_where_and_keeps_its_cause(here: Site) -> None:
    here.install("toy", TOY + "\n1 / 0\n")
    with pytest.raises(
        PluginError, match=r"ZeroDivisionError: .* \(toy_plugin_module.py:\d+\)"
    ) as caught:
        plugins.load("toy")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_helpers_may_be_named_like_hooks(here: Site) -> None:
    helpers = "\ndef extract_loads(text): ...\n\ndef extract_words(text): ...\n"
    here.install("toy", TOY + helpers)
    assert plugins.load("toy").name == "toy"


def test_an_optional_hook_of_another_version_is_passed_over(here: Site) -> None:
    later = "\n@fieldsmith.hookimpl(optionalhook=True)\ndef extract_later(anything): ...\n"
    here.install("toy", TOY + later)
    assert plugins.load("toy").name == "toy"


# Using


def test_a_plugin_answers_through_plain_methods(here: Site) -> None:
    here.install("toy")
    plugin = plugins.load("toy")
    assert (plugin.name, plugin.distribution, plugin.version) == ("toy", "toy-plugin", "1.0")
    (example,) = plugin.load(None)
    assert isinstance(example, Example)
    assert plugin.schema["type"] == "object"
    assert plugin.prompt(example.document) == [
        Message("user", "Which words of 'do it NOW' are loud?")
    ]
    assert plugin.metric(example, Prediction(example.document)) == {"loud": (1.0, 2.0, 3.0)}
    assert plugin.settings("embedded") == {}


def test_each_plugin_answers_for_itself(here: Site) -> None:
    here.install("toy")
    here.install("other", TOY.replace('"loud"', '"quiet"'))
    toy, other = plugins.load("toy"), plugins.load("other")
    assert list(toy.schema["properties"]) == ["loud"]
    assert list(other.schema["properties"]) == ["quiet"]
    document = Document("one", "text")
    assert toy.metric(Example(document), Prediction(document)).keys() == {"loud"}


def test_nobody_can_change_the_schema_of_a_plugin_in_use(here: Site) -> None:
    shared = TOY.replace("return {", "return SHARED\n\nSHARED = {", 1)
    here.install("toy", shared)
    first = plugins.load("toy").schema
    first["properties"].clear()
    assert plugins.load("toy").schema["properties"]


def test_loading_is_lazy(here: Site) -> None:
    here.install("toy", TOY.replace('{"loud": ["NOW"]})', '{})\n    raise OSError("read on")'))
    rows = plugins.load("toy").load(None)
    assert isinstance(next(rows), Example)
    with pytest.raises(PluginError, match="at row 2 of the sample: OSError: read on"):
        next(rows)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('Message("user", ', "str(", "messages with a text"),
        ('return [Message("user",', 'return [Message("robot",', "returned str 'robot'.*user"),
        ("return [Message", "return; [Message", "extract_prompt returned NoneType None"),
        ("return [Message", "return []; [Message", r"extract_prompt returned list \[\]"),
        ('[Message("user", f"', '[Message("user", b"', "messages with a text"),
    ],
)
def test_a_prompt_is_a_list_of_messages(here: Site, old: str, new: str, message: str) -> None:
    assert old in TOY
    here.install("toy", TOY.replace(old, new))
    with pytest.raises(PluginError, match=message):
        plugins.load("toy").prompt(Document("one", "text"))


@pytest.mark.parametrize("value", ["None", "'one'", "{'loud': []}", "3", "[{'loud': []}]"])
def test_a_loader_yields_examples_and_rejects(here: Site, value: str) -> None:
    here.install("toy", TOY.replace("yield Example", f"return {value}; Example"))
    with pytest.raises(PluginError, match=r"toy-plugin.*extract_load (returned|yielded)"):
        list(plugins.load("toy").load(None))


@pytest.mark.parametrize(
    "value",
    [
        "None",
        "0.5",
        "{'loud': 0.5}",
        "{'loud': (1, 2)}",
        "{'loud': (1, 2, None)}",
        "{'loud': (1, 2, -1)}",
        "{'loud': (1, 2, float('nan'))}",
        "{3: (1, 2, 3)}",
    ],
)
def test_a_metric_counts(here: Site, value: str) -> None:
    here.install("toy", TOY.replace('return {"loud": (1, 2, 3)}', f"return {value}"))
    document = Document("one", "text")
    with pytest.raises(PluginError, match="extract_metric returned"):
        plugins.load("toy").metric(Example(document), Prediction(document))


def test_settings_are_by_name(here: Site) -> None:
    hook = "\n@fieldsmith.hookimpl\ndef extract_settings(preset):\n    return {}\n"
    here.install("toy", TOY + hook.format("{'window': preset}"))
    here.install("bad", TOY + hook.format("['window']"))
    assert plugins.load("toy").settings("embedded") == {"window": "embedded"}
    with pytest.raises(PluginError, match="extract_settings returned list"):
        plugins.load("bad").settings("embedded")


def test_an_error_of_the_plugin_itself_is_passed_on(here: Site) -> None:
    here.install("toy", TOY.replace("yield Example", "raise fieldsmith.InputError('no'); yield"))
    with pytest.raises(InputError, match="no"):
        next(plugins.load("toy").load(None))


# Wrapping


def test_wrappers_are_around_the_hooks_the_last_outermost(here: Site) -> None:
    here.install("toy")
    here.install("inner", WRAPPER.format(name="inner"))
    here.install("outer", WRAPPER.format(name="outer"))
    plugin = plugins.load("toy", ["inner", "outer"])
    assert plugin.wrappers == ("inner", "outer")
    messages = plugin.prompt(Document("one", "text"))
    assert [message.content for message in messages[:2]] == ["outer", "inner"]


def test_a_wrapper_s_own_answers_are_not_used(here: Site) -> None:
    here.install("toy")
    here.install("loud", WRAPPER.format(name="loud"))
    assert plugins.load("toy", ["loud"]).settings("embedded") == {}


def test_the_command_shows_a_plugin_as_it_is_wrapped(site: Site) -> None:
    site.install("toy")
    site.install("loud", WRAPPER.format(name="QUIETLY"))
    shown = json.loads(site.extract("plugins", "toy", "--with", "loud", "--json").stdout)
    assert shown["wrappers"] == ["loud"]
    assert shown["prompt"][0] == {"role": "system", "content": "QUIETLY"}


@pytest.mark.parametrize(
    ("name", "with_names", "message"),
    [
        ("toy", ["luod"], "no plugin is called 'luod'; did you mean loud"),
        ("toy", ["other"], "'other' .*wraps no hook"),
        ("toy", ["toy"], "'toy' is asked for twice"),
        ("toy", ["loud", "loud"], "'loud' is asked for twice"),
        ("only", [], "'only' .*is a wrapper and not a domain; use it through --with"),
    ],
)
def test_wrappers_that_cannot_wrap_are_refused(
    here: Site, name: str, with_names: list[str], message: str
) -> None:
    here.install("toy")
    here.install("other")
    here.install("loud", WRAPPER.format(name="loud"))
    here.install("only", WRAPPER.format(name="only").partition("@fieldsmith.hookimpl\n")[0])
    assert plugins.state_of(entry("only")) == plugins.WRAPPER
    with pytest.raises(PluginError, match=message):
        plugins.load(name, with_names)
