"""A merged run is an ordinary model folder that answers as the run does, or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import KILLED, Command, Moment, extract
from plain_answers import TIE, module_of, plain_answer, tie_at_first_difference
from tiny_families import FAMILIES, CausalRun, train_run, write_family
from tiny_model import Trained, write_corpus

from fieldsmith import Document
from fieldsmith.errors import FieldsmithError, OutputError, RunError
from fieldsmith.exporting.merged import PROBE, RECORD, MergedModel, merge
from fieldsmith.exporting.rescoring import Comparison, documents_to_score
from fieldsmith.extraction.extractor import Extractor
from fieldsmith.runs.folder import Run

TEXT = "Aspirin and rash.\nAspirin was given to 12 patients. Aspirin caused rash in 3 patients."


def other_run(folder: Path, family: str, **chosen: object) -> CausalRun:
    write_corpus(folder / "corpus")
    write_family(folder / "model", FAMILIES[family], folder / "corpus")
    return train_run(folder, folder / "model", **chosen)


@pytest.fixture
def copied(merged: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(merged, tmp_path / "copied"))


def scores_of(run: CausalRun, folder: Path, most: int = 4) -> dict[str, Any]:
    opened = Run.open(run.run)
    return Comparison(opened, documents_to_score(opened, None, most)).merged(folder)


def test_it_loads_with_plain_transformers_and_answers_as_the_run(
    causal: CausalRun, merged: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    script = module_of(merged)
    model = AutoModelForCausalLM.from_pretrained(merged).eval()
    assert model.dtype == script.load(merged).dtype
    answer = plain_answer(script, model, merged, TEXT)
    extractor = Extractor.load(causal.run, min_confidence=0.0)
    (_number, own), *_ = extractor.answer_windows([Document("d", TEXT)])
    assert own.text
    apart = tie_at_first_difference(answer, extractor.vocabulary.tokenize(own.text.encode()))
    assert apart is None or apart < TIE
    probe = json.loads((merged / PROBE).read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(merged)
    asked = tokenizer.apply_chat_template(
        probe["messages"], add_generation_prompt=True, return_dict=False
    )
    assert list(asked) == probe["token_ids"]
    config = json.loads((merged / "generation_config.json").read_text(encoding="utf-8"))
    assert config["eos_token_id"] == [script.END]
    assert config["max_new_tokens"] == script.MAX_NEW_TOKENS


def test_nothing_of_this_machine_is_in_it(causal: CausalRun, merged: Path) -> None:
    found = {file.name for file in merged.iterdir()}
    assert {"model.safetensors", "config.json", "chat_template.jinja", "README.md"} <= found
    assert {"schema.json", "grammar.lark", "receipt.json", "LICENSE", RECORD, PROBE} <= found
    assert not [name for name in found if name.startswith("adapter") or name.endswith(".bin")]
    for file in merged.iterdir():
        assert str(causal.folder.parent).encode() not in file.read_bytes(), file.name


def test_its_records_and_score_are_those_of_the_run(tmp_path: Path) -> None:
    run = other_run(tmp_path, "gemma3", lora_targets="q_proj,down_proj")
    merge(Run.open(run.run), tmp_path / "merged")
    scores = scores_of(run, tmp_path / "merged", most=0)
    assert scores["documents"] == scores["equal"] == 10
    assert scores["before"] == scores["after"]
    assert scores["difference"]["value"] == 0
    assert scores["split"] == "validation"


def test_all_weights_and_trained_embeddings_are_merged(tmp_path: Path) -> None:
    run = other_run(tmp_path, "llama", tuning="full", quantize="none")
    merge(Run.open(run.run), tmp_path / "merged")
    assert scores_of(run, tmp_path / "merged")["equal"] == 4


def test_the_weights_are_rounded_to_the_dtype(causal: CausalRun, tmp_path: Path) -> None:
    from safetensors import safe_open

    made = merge(Run.open(causal.run), tmp_path / "merged", "bf16")
    assert made.record["dtype"] == "bf16"
    with safe_open(tmp_path / "merged" / "model.safetensors", framework="pt") as tensors:
        kinds = {tensors.get_slice(name).get_dtype() for name in tensors.keys()}  # noqa: SIM118
    assert kinds == {"BF16"}
    with pytest.raises(OutputError, match="another --dtype"):
        merge(Run.open(causal.run), tmp_path / "merged", "fp32")


def other_weights(folder: Path, run: CausalRun) -> None:
    write_family(folder / "other", FAMILIES["llama"], run.folder / "corpus", steps=0)
    shutil.copyfile(folder / "other" / "model.safetensors", folder / "model.safetensors")


def other_template(folder: Path, _run: CausalRun) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(file.read_text(encoding="utf-8") + "Now: ", encoding="utf-8")


def cut_weights(folder: Path, _run: CausalRun) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def other_tokens(folder: Path, _run: CausalRun) -> None:
    file = folder / "tokenizer.json"
    value = json.loads(file.read_text(encoding="utf-8"))
    value["model"]["merges"] = value["model"]["merges"][:50]
    file.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (other_weights, "below that of the run, more than the tolerance of 0.01; do not use it"),
        (other_template, "its chat_template, probe differ from those of the run"),
        (other_tokens, "its tokenizer, probe differ from those of the run"),
        (cut_weights, "cannot be loaded"),
    ],
)
def test_what_is_damaged_is_found_when_it_is_scored_again(
    damage: Callable[[Path, CausalRun], None],
    said: str,
    causal: CausalRun,
    copied: Path,
    command: Command,
) -> None:
    damage(copied, causal)
    done = command("merge", causal.run, "--output", copied, "--documents", "6")
    assert done.code == 1
    assert said in done.errors.splitlines()[-1]
    assert "Traceback" not in done.errors


def test_the_command_scores_and_repeats_nothing(
    causal: CausalRun, tmp_path: Path, command: Command
) -> None:
    output = tmp_path / "out" / "merged"
    arguments = ("merge", causal.run, "--output", output, "--documents", "3")
    first = extract(*arguments)
    assert first.code == 0, first.errors
    assert "transformers: 3 of 10 documents of validation, 3 with equal records" in first.output
    assert first.output.splitlines()[-1] == str(output)
    before = (output / "model.safetensors").stat().st_mtime_ns
    gold = causal.folder / "corpus" / "test.txt"
    # Another test may have scored the same run on them.
    second = command(*arguments, "--json", "--score-on", gold, "--again", "a test")
    assert second.code == 0, second.errors
    record = json.loads(second.output)
    assert record["scores"]["transformers"]["documents"] == 10
    assert record == MergedModel.open(output).record
    assert (output / "model.safetensors").stat().st_mtime_ns == before


def test_a_killed_merge_leaves_no_folder(
    causal: CausalRun, tmp_path: Path, command: Command
) -> None:
    output = tmp_path / "merged"
    arguments = ("merge", causal.run, "--output", output, "--no-score")
    assert extract(*arguments, kill=Moment("os.rename", "merged")).code == KILLED
    assert not output.exists()
    assert command(*arguments).code == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".new"] == []
    assert MergedModel.open(output).record["scores"] == {}


def test_what_cannot_be_merged_is_one_line(
    trained: Trained, causal: CausalRun, merged: Path, tmp_path: Path
) -> None:
    def refused(run: Path, output: Path) -> FieldsmithError:
        with pytest.raises((RunError, OutputError)) as caught:
            merge(Run.open(run), output)
        return caught.value

    prefix = refused(trained.run, tmp_path / "merged")
    assert "reads prompts in both directions (prefix_lm)" in str(prefix)
    assert "--set prefix_lm=false --set tagging_weight=0" in str(prefix)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine", encoding="utf-8")
    assert "exists already and is no export" in str(refused(causal.run, tmp_path / "full"))
    assert "is no folder" in str(refused(causal.run, tmp_path / "full" / "notes.txt"))
    (tmp_path / "made" / "deep").mkdir(parents=True)
    record = tmp_path / "made" / RECORD
    record.write_text('{"key": 3}', encoding="utf-8")
    assert str(record) in str(refused(causal.run, tmp_path / "made"))
    assert (tmp_path / "full" / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "merged").exists()
