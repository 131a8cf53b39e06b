"""Settings: where each comes from, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import ROOT

from fieldsmith.errors import InputError, SettingsError
from fieldsmith.plugins import load
from fieldsmith.recipes import (
    CAUSAL_SMALL,
    MODELS,
    SMALL_PRESETS,
    causal_preset,
    preset_files,
    preset_names,
    read_preset,
    recipe,
)
from fieldsmith.setting_ranges import RANGES
from fieldsmith.settings import (
    EMBEDDED,
    FORMER_NAMES,
    Resolved,
    Settings,
    parse_assignments,
    resolve,
)

PRESETS = ROOT / "core" / "presets"
DEFAULTS = Settings()


def resolved(*assignments: str, preset: str = EMBEDDED, **plugin: object) -> Resolved:
    return resolve(preset, "invented", plugin, parse_assignments(assignments))


def refusal(*assignments: str, preset: str = EMBEDDED, **plugin: object) -> str:
    with pytest.raises(SettingsError) as refused:
        resolved(*assignments, preset=preset, **plugin)
    message = str(refused.value)
    assert "\n" not in message
    return message


# Where a value comes from


def test_the_user_is_above_the_plugin_above_the_preset_above_the_default(
    tmp_path: Path,
) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("epochs: 7\nlora_rank: 7\nbatch_size: 7\n")
    found = resolve(str(preset), "invented", {"lora_rank": 8, "batch_size": 8}, {"batch_size": 9})
    values, origins = found.values, found.origins
    assert (values.seed, origins["seed"]) == (42, "default")
    assert (values.epochs, origins["epochs"]) == (7.0, f"preset {preset}")
    assert (values.lora_rank, origins["lora_rank"]) == (8, "plugin invented")
    assert (values.batch_size, origins["batch_size"]) == (9, "user")


def test_a_value_that_is_set_to_the_default_is_the_users() -> None:
    found = resolved(f"seed={DEFAULTS.seed}")
    assert found.origins["seed"] == "user"


def test_run_json_gives_back_the_settings_and_their_origins() -> None:
    found = resolved("score=a,b", "revision=null", "warmup=100", "merge=no", window="sentences")
    stored = json.loads(json.dumps(found.as_json()))
    assert stored["merge"] == {"value": "no", "from": "user"}
    assert Resolved.from_json(stored) == found


def test_small_presets_are_those_of_models_that_a_cpu_can_train() -> None:
    assert {CAUSAL_SMALL, "gemma-3-270m", "smollm2-135m"} == SMALL_PRESETS
    assert causal_preset(499_999_999, "500 M").name in SMALL_PRESETS
    assert causal_preset(500_000_000, "500 M").name not in SMALL_PRESETS


@pytest.mark.parametrize("domain", ["arxiv_metadata", "dcat_datasets", "medical_ner", "news_json"])
@pytest.mark.parametrize("preset", sorted(SMALL_PRESETS))
def test_a_small_model_reads_no_more_at_once_than_a_large_one(preset: str, domain: str) -> None:
    small: dict[str, Any] = load(domain).settings(preset)
    large: dict[str, Any] = load(domain).settings("qwen3-4b")
    rows = Settings()
    for name in ("window_size", "max_length"):
        default = getattr(rows, name)
        assert small.get(name, default) <= large.get(name, default)


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_survives_run_json(preset: str) -> None:
    found = resolved(preset=preset)
    assert Resolved.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_run_of_a_version_that_knew_fewer_settings_is_read() -> None:
    stored = resolved("epochs=5").as_json()
    del stored["rslora"]
    found = Resolved.from_json(stored)
    assert (found.values.rslora, found.origins["rslora"]) == (False, "default")
    assert found.as_json()["epochs"] == {"value": 5.0, "from": "user"}


def test_a_run_of_a_version_that_knew_more_settings_is_refused() -> None:
    stored = {**resolved().as_json(), "turbo": {"value": 1, "from": "user"}}
    with pytest.raises(SettingsError, match=r"run\.json: unknown setting 'turbo'"):
        Resolved.from_json(stored)


# Names


def test_an_unknown_setting_is_answered_with_the_nearest_and_the_page_of_all() -> None:
    assert refusal("lerning_rate=1e-4") == (
        "--set: unknown setting 'lerning_rate': did you mean learning_rate? See docs/settings.md"
    )
    assert refusal("qqq=1") == "--set: unknown setting 'qqq': See docs/settings.md"


@pytest.mark.parametrize(
    ("old", "new"), [("swap_values", "augment_copies"), ("lexicon", "gazetteer")]
)
def test_a_former_name_is_answered_with_the_name_today(old: str, new: str, tmp_path: Path) -> None:
    words = f"{old}: this setting is now called {new}"
    preset = tmp_path / "mine.yaml"
    preset.write_text(f"{old}: 1\n")
    assert refusal(f"{old}=1") == f"--set {words}"
    assert refusal(preset=str(preset)) == f"preset {preset}: {words}"
    with pytest.raises(SettingsError, match=f"^plugin invented: {words}$"):
        resolve(EMBEDDED, "invented", {old: 1}, {})


def test_a_setting_that_was_removed_is_refused(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("second_pass: true\n")
    assert refusal("second_pass=true") == "--set: second_pass was removed"
    assert refusal(preset=str(preset)) == f"preset {preset}: second_pass was removed"
    assert refusal(second_pass=True) == "plugin invented: second_pass was removed"


@pytest.mark.parametrize("old", FORMER_NAMES)
def test_a_run_with_a_former_name_is_of_an_older_version(old: str) -> None:
    stored = {**resolved().as_json(), old: {"value": 1, "from": "user"}}
    with pytest.raises(SettingsError) as refused:
        Resolved.from_json(stored)
    message = str(refused.value)
    assert message.startswith(f"run.json: {old}")
    assert "the run is of an older version of fieldsmith" in message
    assert "\n" not in message


def test_no_former_name_is_taken_again() -> None:
    today = {field.name for field in dataclasses.fields(Settings)}
    assert today.isdisjoint(FORMER_NAMES)
    assert {name for name in FORMER_NAMES.values() if name} <= today


# Groups


def test_the_groups_hold_each_setting_once() -> None:
    groups = Settings.__bases__
    names = [field.name for group in reversed(groups) for field in dataclasses.fields(group)]
    assert names == [field.name for field in dataclasses.fields(Settings)]
    assert len(names) == len(set(names))


def test_settings_are_one_flat_dataclass() -> None:
    changed = dataclasses.replace(Settings(model="org/name"), batch_size=2)
    assert (changed.model, changed.batch_size) == ("org/name", 2)
    assert next(iter(dataclasses.asdict(changed))) == "model"


def test_an_unknown_preset_is_answered_with_the_nearest_and_the_known() -> None:
    message = refusal(preset="lama-3.2-3b")
    assert message.startswith("unknown preset 'lama-3.2-3b': did you mean llama-3.2-3b?")
    assert all(name in message for name in preset_names())


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("epoch: 3\nlora_rank: many\n")
    message = refusal(
        "seed=abc",
        "batch=4",
        "learning_rate=-1",
        "accumulation=0",
        preset=str(preset),
        window="paragraphs",
        colour="red",
    )
    for part in [
        f"preset {preset}: unknown setting 'epoch': did you mean epochs?",
        "lora_rank: a whole number is wanted, not 'many'",
        "plugin invented: window: 'paragraphs' is none of document, sentences, tokens",
        "plugin invented: unknown setting 'colour'",
        "--set seed: a whole number is wanted, not 'abc'",
        "--set: unknown setting 'batch': did you mean batch_size?",
        "learning_rate must be above 0",
        "accumulation must be at least 1",
    ]:
        assert part in message


# Values


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("learning_rate=1e-4", 1e-4),  # a string in YAML 1.1
        ("learning_rate=3.0e-3", 3e-3),
        ("learning_rate=1", 1.0),
        ("epochs=2", 2.0),
        ("batch_size=8", 8),
        ("batch_size=8.0", 8),
        ("batch_size=1e2", 100),
        ("warmup=0.03", 0.03),
        ("quantize=none", "none"),
        ("quantize=no", "none"),
        ("quantize=off", "none"),
        ("quantize=null", "none"),
        ("merge=yes", "yes"),
        ("merge=no", "no"),
        ("merge=true", "yes"),
        ("merge=auto", "auto"),
        ("rslora=true", True),
        ("rslora=off", False),
        ("score=chemicals, diseases,", ["chemicals", "diseases"]),
        ("score=[a, b]", ["a", "b"]),
        ("score=a", ["a"]),
        ("score=", []),
        ("score=[]", []),
        ("revision=main", "main"),
        ("revision='0123'", "0123"),
        ("revision=", None),
        ("tag_share=null", None),
        ("tag_share=0", 0.0),
        ("gazetteer_share=0.5", 0.5),
        ("prompt=brief", "brief"),
        ("seed=4294967295", 4294967295),
    ],
)
def test_a_value_is_read_as_its_setting_wants_it(assignment: str, value: object) -> None:
    name = assignment.partition("=")[0]
    found = getattr(resolved(assignment).values, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("learning_rate=fast", "a number is wanted, not 'fast'"),
        ("learning_rate=.nan", "a number is wanted, not nan"),
        ("learning_rate=inf", "a number is wanted, not 'inf'"),
        ("learning_rate=true", "a number is wanted, not True"),
        ("learning_rate=", "a number is wanted, not None"),
        ("batch_size=2.5", "a whole number is wanted, not 2.5"),
        ("batch_size=.inf", "a whole number is wanted, not inf"),
        ("batch_size=[4]", "a whole number is wanted, not [4]"),
        ("rslora=1", "true or false is wanted, not 1"),
        ("rslora='true'", "true or false is wanted, not 'true'"),
        ("quantize=int8", "'int8' is none of nf4, none"),
        ("quantize=[nf4]", "['nf4'] is none of nf4, none"),
        ("precision=no", "is none of auto, bf16, fp16, fp32"),
        ("score=[1, 2]", "a list of names is wanted, not [1, 2]"),
        ("report_to=[wandb, mlfow]", "report_to: 'mlfow': did you mean mlflow? Known: mlflow"),
        ("report_to=foo", "report_to: 'foo': Known: mlflow, tensorboard, trackio, wandb"),
        ("score=1", "a list of names is wanted, not 1"),
        ("revision=0123", "a text is wanted, not 83; put it in quotes"),
        ("model=", "a text is wanted, not None"),
        ("epochs", "write it as key=value"),
        ("score=[a", "the value is not YAML"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(assignment: str, reason: str) -> None:
    assert reason in refusal(assignment)


def test_a_batch_size_may_be_chosen_later() -> None:
    assert resolved("batch_size=auto").values.batch_size == 0


def test_a_model_is_any_text() -> None:
    for model in ("org/name", "/a folder/with=signs"):
        assert resolved(f"model={model}", preset="llama-3.2-3b").values.model == model


def test_every_broken_assignment_is_reported() -> None:
    message = refusal("epochs", "score=[a", "batch_size=4")
    assert "--set epochs: write it" in message
    assert "--set score=[a: the value is not YAML" in message


@pytest.mark.parametrize(
    ("assignments", "reason"),
    [
        (["batch_size=-1"], "batch_size must not be negative"),
        (["accumulation=0"], "accumulation must be at least 1"),
        (["packing=true", "prefix_lm=true"], "packing is for causal models"),
        (["offload=optimizer"], "offload optimizer wants parallel zero2 or zero3"),
        (["offload=params", "parallel=zero2"], "offload params wants parallel fsdp or zero3"),
        (["parallel=fsdp", "deepspeed_config=a.json"], "deepspeed_config wants parallel zero2 or"),
        (["parallel=fsdp", "optimizer=adafactor"], "optimizer: fsdp can split the states of adam"),
        (["parallel=fsdp", "compile=yes"], "compile is not for what fsdp splits"),
        (["parallel=ddp", "sequence_parallel=2"], "sequence_parallel wants parallel zero2 or"),
        (["sequence_parallel=2"], "sequence_parallel wants parallel zero2 or zero3"),
        (
            ["parallel=zero3", "sequence_parallel=2", "attention=eager"],
            "sequence_parallel wants attention sdpa",
        ),
        (
            ["parallel=zero2", "sequence_parallel=2", "packing=true", "tagging_weight=1"],
            "sequence_parallel divides plain causal rows: set packing=false, prefix_lm=false",
        ),
        (["sequence_parallel=0"], "sequence_parallel must be at least 1"),
        (
            ["parallel=zero3", "dora=true", "quantize=nf4"],
            "dora cannot read 4-bit weights that zero3 splits",
        ),
        (
            ["parallel=fsdp", "tuning=full", "quantize=none", "tagging_weight=1"],
            "tagging_weight wants the head whole",
        ),
        (["tuning=full", "quantize=nf4"], "tuning full trains the weights themselves"),
        (["lora_init=pissa", "quantize=nf4"], "lora_init pissa splits the weights"),
        (["patience=-1"], "patience must not be negative"),
        (["epochs=0"], "epochs must be above 0"),
        (["learning_rate=0"], "learning_rate must be above 0"),
        (["tag_share=1.5"], "tag_share must be between 0 and 1"),
        (["gazetteer_share=-0.1"], "gazetteer_share must be between 0 and 1"),
        (["lora_dropout=1"], "lora_dropout must be under 1"),
        (["seed=4294967296"], "seed must be under 2 to the power of 32"),
        (["window=tokens", "window_size=32"], "window_overlap must be smaller than window_size"),
        (["window=sentences", "window_size=32"], "window_overlap must be smaller than window_s"),
        (["window=tokens", "window_size=1024"], "window_size must be smaller than max_length"),
        (["max_new_tokens=1024"], "max_new_tokens must be smaller than max_length"),
    ],
)
def test_values_that_do_not_fit_each_other_are_refused(assignments: list[str], reason: str) -> None:
    assert reason in refusal(*assignments)


NUMBERS = sorted(
    field.name
    for field in dataclasses.fields(Settings)
    if re.search(r"\b(int|float)\b", str(field.type))
)


def test_every_number_has_a_range() -> None:
    assert sorted(RANGES) == NUMBERS
    for name, (low, high) in RANGES.items():
        default = getattr(DEFAULTS, name)
        assert default is None or low <= default <= high


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["-1", "10e29", "1" + "0" * 30, "-1e300", "1" + "0" * 5000])
def test_a_number_out_of_all_bounds_is_refused(name: str, value: str) -> None:
    message = refusal(f"{name}={value}")
    assert name in message
    assert len(message) < 400


@pytest.mark.parametrize("name", NUMBERS)
def test_a_run_with_a_number_out_of_bounds_is_refused(name: str) -> None:
    stored = resolved().as_json() | {name: {"value": -1, "from": "user"}}
    with pytest.raises(SettingsError, match=rf"some/run\.json: settings: {name} "):
        Resolved.from_json(stored, "some/run.json")


def test_only_the_user_trusts_code_of_a_model(tmp_path: Path) -> None:
    assert resolved("trust_remote_code=true").values.trust_remote_code
    assert "trust_remote_code is the user's to give" in refusal(trust_remote_code=True)
    preset = tmp_path / "mine.yaml"
    preset.write_text("trust_remote_code: true\n")
    assert "trust_remote_code is the user's to give" in refusal(preset=str(preset))


@pytest.mark.parametrize(
    ("optimizer", "package"),
    [
        ("galore_adamw", "galore_torch"),
        ("lomo", "lomo_optim"),
        ("schedule_free_adamw", "schedulefree"),
        ("adamw_torch_8bit", "torchao"),
    ],
)
def test_an_optimiser_whose_package_is_missing_is_refused(optimizer: str, package: str) -> None:
    assert f"optimizer {optimizer} needs the package {package}" in refusal(f"optimizer={optimizer}")


def test_an_optimiser_that_is_there_is_accepted() -> None:
    for name in ("adamw_torch", "adamw_torch_fused", "paged_adamw_8bit", "adafactor", "sgd"):
        assert resolved(f"optimizer={name}").values.optimizer == name


def test_what_a_window_has_no_use_for_does_not_matter() -> None:
    assert resolved("window=document", "window_size=1024", "window_overlap=5000")
    assert resolved("window=sentences", "window_size=5000")


SHIPPED = read_preset(EMBEDDED)  # read once, and not for each value


@settings(max_examples=settings().max_examples // 4)  # each value for all settings
@given(st.integers() | st.floats() | st.text() | st.booleans() | st.none() | st.lists(st.text()))
def test_any_value_is_taken_or_refused(value: Any) -> None:
    for field in dataclasses.fields(Settings):
        with contextlib.suppress(SettingsError):
            taken = resolve(SHIPPED, "invented", {}, {field.name: value})
            again = {field.name: getattr(taken.values, field.name)}
            assert resolve(SHIPPED, "invented", {}, again) == taken


# Presets


def chosen_by(preset: str) -> set[str]:
    """Return the names of the settings that a preset gives."""
    origins = resolved(preset=preset).origins
    return {name for name, origin in origins.items() if origin == f"preset {preset}"}


@pytest.mark.parametrize("preset", preset_files())
def test_a_preset_opens_with_the_command_that_uses_it(preset: str) -> None:
    text = (PRESETS / f"{preset}.yaml").read_text(encoding="utf-8")
    opening = text.partition("\nmodel:")[0]
    assert all(line.startswith("#") for line in opening.splitlines())
    command = re.search(r"^#\s+(extract train .*)$", opening, re.MULTILINE)
    assert command is not None
    assert f"--preset {preset}" in command[1]


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_resolves_and_says_what_it_trains_on(preset: str) -> None:
    names = chosen_by(preset)
    assert {"model", "quantize", "max_length", "learning_rate"} <= names
    assert not {"score", "seed"} & names  # a domain's, and the user's


@pytest.mark.parametrize("preset", sorted(set(preset_names()) - {EMBEDDED}))
def test_a_preset_of_a_causal_model_has_nothing_that_other_engines_lack(preset: str) -> None:
    settings = resolved(preset=preset).values
    assert not any((settings.prefix_lm, settings.tagging_weight, settings.gazetteer))


@pytest.mark.parametrize("name", MODELS)
def test_a_preset_of_a_model_is_the_recipe_for_its_size(name: str) -> None:
    preset = read_preset(name)
    known = MODELS[name]
    assert preset.values == {"model": known.model, **recipe(known.parameters)}


def test_the_embedded_preset_is_refused_over_another_model() -> None:
    message = refusal("model=org/name")
    assert "preset embedded is for the embedded model alone" in message
    assert "prefix_lm" in message
    own = ("model=org/name", "prefix_lm=true", "tagging_weight=1", "gazetteer=true")
    assert resolved(*own).values.prefix_lm


def test_each_knob_of_the_embedded_preset_is_explained() -> None:
    lines = (PRESETS / "embedded.yaml").read_text(encoding="utf-8").splitlines()
    knobs = [line for line in lines if not line.startswith("#")]
    assert len(knobs) == len(chosen_by(EMBEDDED))
    assert [line for line in knobs if not re.fullmatch(r"\w+: \S+ +# \S.+", line)] == []


def test_the_embedded_preset_is_there() -> None:
    assert EMBEDDED in preset_names()
    assert resolved().values.model == EMBEDDED


def test_a_preset_may_be_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_bytes(b"\xef\xbb\xbf# mine\r\nepochs: 1e1\r\nmerge: yes\r\n")
    found = resolved(preset=str(file)).values
    assert found == dataclasses.replace(DEFAULTS, epochs=10.0, merge="yes")
    file.write_text("# nothing yet\n")
    assert resolved(preset=str(file)).values == DEFAULTS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"- a\n- b\n", "settings are wanted, one 'name: value' per line"),
        (b"just text", "settings are wanted"),
        (b"false", "settings are wanted"),
        (b"a: [1\nb: 2", "not YAML"),
        (b"a: !!python/object:os.system {}", "not YAML"),
        (b"1: 2", "unknown setting '1'"),
    ],
)
def test_a_file_that_is_no_preset_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    assert reason in refusal(preset=str(file))


def test_a_preset_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.yaml: no such file"):
        resolved(preset=str(tmp_path / "gone.yaml"))
    (tmp_path / "latin.yaml").write_bytes(b"# caf\xe9")
    with pytest.raises(InputError, match=r"latin\.yaml:1: byte 5 is not UTF-8"):
        resolved(preset=str(tmp_path / "latin.yaml"))


def test_every_setting_is_explained_where_it_is_not_plain() -> None:
    # The names that stand without a comment are terms of the field.
    plain = {"quantize", "precision", "attention", "window", "lora_rank", "lora_alpha"}
    plain |= {"lora_dropout", "epochs", "learning_rate", "scheduler", "weight_decay"}
    plain |= {"max_grad_norm", "seed", "logging_steps"}
    source = (PRESETS.parent / "settings.py").read_text(encoding="utf-8")
    for field in dataclasses.fields(Settings):
        line = re.search(rf"^    {field.name}: .*$", source, re.MULTILINE)
        assert line is not None
        assert "#" in line[0] or field.name in plain
