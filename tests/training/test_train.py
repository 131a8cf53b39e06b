"""Training: the same twice, with counts that balance, and adapters that load anywhere."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from command import Command, Moment, extract, run_installed
from safetensors import safe_open
from tiny_model import SETTINGS, SPLITS, Trained, Workplace, contents, documents, info, lines
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from fieldsmith.data import Document
from fieldsmith.model.loading import load_for_inference
from fieldsmith.model.prompts import PromptFormat
from fieldsmith.plugins import load
from fieldsmith.runs.folder import Run
from fieldsmith.settings import Settings
from fieldsmith.tagging.ensemble import Shares
from fieldsmith.training.callbacks import SaveSchedule
from fieldsmith.training.sampler import LengthGroupedSampler


def test_one_seed_gives_one_run(workplace: Workplace, trained: Trained, tmp_path: Path) -> None:
    """Here the installed command, a process with other hashes of texts."""
    answer = run_installed(*workplace.order(tmp_path / "again"))
    assert answer.code == 0, answer.errors
    ours, theirs = contents(tmp_path / "again"), contents(trained.run)
    for files in (ours, theirs):
        del files["metrics.json"]  # which holds what the clock said
    assert list(ours) == list(theirs)
    for name in ours:
        assert ours[name] == theirs[name], name


def test_another_seed_gives_another_adapter(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command
) -> None:
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        order = workplace.order(folder, data=only_train, seed=seed, max_steps=1)
        assert command(*order).code == 0
    weights = [(tmp_path / seed / "adapter" / "adapter_model.safetensors") for seed in "12"]
    assert weights[0].read_bytes() != weights[1].read_bytes()


# The run folder


def test_the_run_folder_holds_what_is_promised(trained: Trained, workplace: Workplace) -> None:
    assert {path.name for path in trained.run.iterdir()} == {
        "run.json", "adapter", "gazetteer.json", "log.jsonl", "metrics.json", "predictions",
        "rejects.jsonl", "trained_on.jsonl", "held_out.jsonl", "training.log",
    }  # fmt: skip
    assert {path.name for path in (trained.run / "adapter").iterdir()} >= {
        "adapter_config.json", "adapter_model.safetensors", "tokenizer.json",
        "chat_template.jinja", "README.md", "receipt.json",
    }  # fmt: skip
    known = info(trained.run)
    assert known["preset"] == "llama-3.2-3b"
    assert known["seed"] == 42
    assert known["settings"]["model"] == {"value": str(workplace.model), "from": "user"}
    assert known["settings"]["lora_alpha"] == {"value": 128, "from": "user"}
    assert known["settings"]["report_to"] == {"value": [], "from": "default"}
    assert known["settings"]["weight_decay"] == {"value": 0.0, "from": "default"}
    assert known["device"]["threads"] == 1
    assert known["data"]["official_splits"] is True
    assert len(known["data"]["sha256"]) == len(known["base_model"]["sha256"]) == 64
    assert set(known["receipt"]) == {"schema", "chat_template", "tokenizer", "probe"}
    receipt = json.loads((trained.run / "adapter" / "receipt.json").read_text())
    assert set(receipt.pop("files")) >= {"adapter_model.safetensors", "gazetteer.json"}
    assert known["receipt"] == receipt
    assert {"torch", "transformers", "trl", "peft", "bitsandbytes"} <= set(known["versions"])


def test_the_table_and_the_run_folder_are_printed(trained: Trained) -> None:
    output = trained.answer.output
    assert output.splitlines()[-1] == str(trained.run)
    assert "medical_ner, validation" in output
    assert "medical_ner, test" not in output
    assert output.count("diseases_mentions") == 1
    assert "Traceback" not in trained.answer.errors
    assert "documents: 24 train, 10 validation, 10 test, 0 set aside" in trained.answer.errors


def test_every_epoch_is_logged_with_its_loss_and_score(trained: Trained) -> None:
    log = lines(trained.run / "log.jsonl")
    assert [line["step"] for line in log] == sorted(line["step"] for line in log)
    epochs = [line["step"] for line in log if "score" in line]
    assert epochs == [line["step"] for line in log if "eval_loss" in line]
    assert len(epochs) >= 2
    assert all("score/chemicals/f1" in line for line in log if "score" in line)
    losses = [line["loss"] for line in log if "loss" in line]
    assert sum(losses[-2:]) < sum(losses[:2])
    assert not {"train_runtime", "eval_runtime"} & {name for line in log for name in line}


def test_the_best_adapter_of_the_log_is_the_one_that_scores(trained: Trained) -> None:
    metrics = json.loads((trained.run / "metrics.json").read_text())
    scores = [line["score"] for line in lines(trained.run / "log.jsonl") if "score" in line]
    score = metrics["validation"]["score"]
    if info(trained.run)["training"]["shares"] == asdict(Shares()):
        assert score == pytest.approx(max(scores))
    else:  # epochs are compared with the default weights; others were better
        assert score > max(scores)


def test_the_adapter_is_kept_in_float32(trained: Trained) -> None:
    file = trained.run / "adapter" / "adapter_model.safetensors"
    with safe_open(file, framework="pt") as weights:
        names = list(weights.keys())
        assert {weights.get_tensor(name).dtype for name in names} == {torch.float32}
    projections = {name.split(".")[-3] for name in names}
    assert projections == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip


# Books


def row(number: int, **changes: object) -> dict[str, Any]:
    """Return a row of JSONL that can be trained on."""
    text = f"aspirin caused rash in {number} patients."
    record = {"chemicals": ["aspirin"], "diseases": ["rash"], "relations": []}
    return {"id": f"d{number}", "text": text, "record": record, "split": "train", **changes}


@pytest.fixture(scope="module")
def only_train(workplace: Workplace) -> Path:
    """Rows of training alone: nothing is scored, so a training takes a second."""
    path = workplace.folder / "only-train.jsonl"
    path.write_text("".join(json.dumps(row(number)) + "\n" for number in range(16)))
    return path


def test_the_counts_balance_and_name_what_is_set_aside(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    rows = [
        *(row(number) for number in range(16)),
        row(2),  # a copy
        row(3, text="Another text."),  # a second document of the same id
        row(100, text=" "),
        row(101, record={"chemicals": "aspirin", "diseases": [], "relations": []}),
        row(102, record=None),
        row(103, text="aspirin " * 300),
        row(104, record={"chemicals": ["morphine"], "diseases": [], "relations": []}),
        row(107, record={"chemicals": ["Aspirin"], "diseases": [], "relations": []}),
        row(105, split="validation"),
        row(106, split="test"),
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tmp_path / "run"
    order = workplace.order(
        run, data=data, max_steps=1, window="document", max_length=300, max_new_tokens=20
    )
    answer = command(*order, "--allow-duplicate-ids", "--allow-unlearnable")
    assert answer.code == 0, answer.errors

    counts = info(run)["counts"]
    documents = counts["documents"]
    assert documents == {"read": 26, "train": 19, "validation": 1, "test": 1, "set_aside": 5}
    assert documents["read"] == len(rows)
    assert counts["windows"] == {"made": 19, "trained": 18, "set_aside": 1, "copies": 0}
    assert counts["gold"]["chemicals"]["leaves"] == 19
    assert counts["gold"]["chemicals"]["learned"] == 17
    assert counts["aligned"] == {"chemicals": 1}
    assert "windows: 18 trained, 1 set aside; 1 gold leaves aligned with the text" in answer.errors

    rejects = lines(run / "rejects.jsonl")
    found = {(reject["kind"], reject["id"], reject["field"]): reject for reject in rejects}
    assert len(found) == len(rejects)
    for (kind, name, field), reason in {
        ("document", "d2", ""): "a copy of",
        ("document", "d3", "id"): "with another text",
        ("document", "d100", "text"): "labels without their text",
        ("document", "d101", "/chemicals"): "the record breaks the schema",
        ("document", "d102", "record"): "no record",
        ("window", "d103", ""): "tokens of max_length 300",
        ("leaf", "d103", "/chemicals/0"): "set aside: prompt and answer exceed max_length",
        ("leaf", "d103", "/diseases/0"): "not in the text",
        ("leaf", "d104", "/chemicals/0"): "not in the text",
    }.items():
        reject = found[kind, name, field]
        assert reason in reject["reason"]
        assert data.name in reject["place"] or name in reject["place"]
    by_kind = [kind for kind, _id, _field in found]
    assert by_kind.count("document") == documents["set_aside"]
    assert by_kind.count("window") == counts["windows"]["set_aside"]
    assert by_kind.count("leaf") == 3
    assert {line["id"] for line in lines(run / "trained_on.jsonl")} == {
        *(f"d{number}" for number in range(16)), "d103", "d104", "d107",
    }  # fmt: skip


def test_a_corpus_without_held_out_documents_trains_and_says_so(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    answer = command(*workplace.order(run, data=only_train, max_steps=2))
    assert answer.code == 0, answer.errors
    assert "no official validation and no test" in answer.errors
    assert info(run)["data"]["missing_splits"] == ["validation", "test"]
    training = {"steps": 2, "best_step": 0, "best_score": None, "min_confidence": 0.0}
    assert info(run)["training"] == training
    assert answer.output == f"{run}\n"
    refusal = command("evaluate", run)
    assert refusal.code == 1
    assert "the test split holds no document" in refusal.errors


def test_validation_that_fits_no_window_is_still_scored(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    rows = [*map(row, range(16)), row(99, split="validation", text="aspirin " * 150)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tmp_path / "run"
    order = workplace.order(run, data=data, max_steps=1, window="document", max_length=100)
    answer = command(*order)
    assert answer.code == 0, answer.errors
    assert [sorted(line) for line in lines(run / "log.jsonl") if "score" in line]


def test_the_last_step_is_scored_wherever_it_falls(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    assert command(*workplace.order(run, max_steps=4)).code == 0
    assert [line["step"] for line in lines(run / "log.jsonl") if "score" in line] == [4]
    assert info(run)["training"]["best_step"] == 4


@pytest.mark.parametrize(
    ("step", "saved"), [(3, False), (4, True), (6, False), (8, True), (10, False)]
)
def test_no_checkpoint_is_between_a_last_step_and_its_score(step: int, saved: bool) -> None:
    """A run that went on from such a checkpoint would never score that step."""
    rhythm = SaveSchedule(2 if step == 10 else 4, steps_an_epoch=6, score=True)
    control = TrainerControl()
    state = TrainerState(global_step=step, max_steps=10)
    rhythm.on_step_end(TrainingArguments("unused"), state, control)
    assert control.should_save == control.should_log == saved


@pytest.mark.parametrize(
    ("step", "scored"), [(3, False), (4, True), (6, False), (8, True), (10, True), (12, True)]
)
def test_scoring_by_steps(step: int, scored: bool) -> None:
    """Steps 6 and 12 end an epoch; 12 is the last one."""
    schedule = SaveSchedule(5, steps_an_epoch=6, score=True, score_every=4)
    control = TrainerControl()
    state = TrainerState(global_step=step, max_steps=12)
    if step == 10:
        schedule = SaveSchedule(5, steps_an_epoch=6, score=True, score_every=5)
    schedule.on_step_end(TrainingArguments("unused"), state, control)
    if step % 6 == 0:
        schedule.on_epoch_end(TrainingArguments("unused"), state, control)
    assert control.should_evaluate == scored
    assert control.should_save or not scored


@pytest.mark.parametrize("group", [True, False])
def test_the_order_of_rows_depends_on_seed_and_epoch_alone(group: bool) -> None:
    lengths = [(7 * number) % 53 for number in range(1003)]

    def order(seed: int, epoch: int) -> list[int]:
        sampler = LengthGroupedSampler(lengths, 8, seed, group=group)
        sampler.epoch = epoch
        torch.rand(3)  # the global random state is of no matter
        return list(sampler)

    assert sorted(order(1, 0)) == list(range(1003))
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 1)
    batches = [order(1, 0)[at : at + 8] for at in range(0, 1000, 8)]
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in batches]
    assert (sum(spread) / len(spread) < 3) == group


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_a_step_reads_the_same_rows_whatever_the_processes(processes: int) -> None:
    """Accelerate deals the batches out in turn; 12 of them are a step, 4 rows each a batch."""
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler

    lengths = [(7 * number) % 53 for number in range(101)]

    def dealt(count: int) -> list[set[int]]:
        multiple = 4 * count if count > 1 else 1
        sampler = LengthGroupedSampler(lengths, 4, 1, group=True, multiple=multiple)
        batches = BatchSampler(sampler, 4, drop_last=False)
        parts = [list(batches)]
        if count > 1:
            parts = [list(BatchSamplerShard(batches, count, rank)) for rank in range(count)]
        assert len({len(part) for part in parts}) == 1, "a process would wait for another one"
        own = 12 // count
        rows = [row for part in parts for batch in part for row in batch if row < len(lengths)]
        assert sorted(rows) == list(range(len(lengths))), "each row is read once"
        return [
            {row for part in parts for batch in part[at : at + own] for row in batch} - {101}
            for at in range(0, len(parts[0]), own)
        ]

    assert dealt(processes) == dealt(1)


def test_a_run_with_leaks_that_were_allowed_is_scored(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    corpus = Path(shutil.copytree(workplace.corpus, tmp_path / "corpus"))
    leaking = (corpus / "train.txt").read_text().split("\n\n")[0]
    (corpus / "test.txt").write_text((corpus / "test.txt").read_text() + "\n" + leaking + "\n")
    run = tmp_path / "run"
    order = workplace.order(run, data=corpus, max_steps=1)
    refusal = command(*order)
    assert refusal.code == 1
    assert "1 of the 11 test documents is also in train (1)" in refusal.errors
    assert not run.exists()
    answer = command(*order, "--allow-leaks", "--test")
    assert answer.code == 0, answer.errors
    assert info(run)["data"]["leaks"][0]["ids"] == ["1"]
    assert json.loads((run / "metrics.json").read_text())["test"]["trained_on"] == 1


# Data that the audit finds unsound

ACCEPTING = {
    "leaks": "--allow-leaks",
    "duplicate-ids": "--allow-duplicate-ids",
    "unlearnable": "--allow-unlearnable",
}


@pytest.fixture(scope="module")
def unsound(workplace: Workplace) -> Path:
    """Rows with one fault of each kind."""
    path = workplace.folder / "unsound.jsonl"
    rows = [
        *map(row, range(16)),
        row(3, text="Another text."),  # a second document of the same id
        row(100, split="test", text=row(5)["text"]),
        row(101, record={"chemicals": ["zinc", "tin"], "diseases": [], "relations": []}),
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_the_audit_finds_unsound_is_refused_until_it_is_accepted(
    workplace: Workplace, unsound: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    order = workplace.order(run, data=unsound, max_steps=1)
    told = {
        "leaks": "1 of the 1 test document is also in train (d100)",
        "duplicate-ids": "1 row has the id of another row: only the first is read (d3)",
        "unlearnable": "5.9% of the verbatim leaves are not in their text (chemicals 2 of 18)",
    }
    # What the splits tell is refused before a window is made, all else after.
    for given, wanted in (
        (("leaks", "duplicate-ids"), ("unlearnable",)),
        ((), ("leaks", "duplicate-ids")),
        (("leaks",), ("duplicate-ids",)),
        (("duplicate-ids",), ("leaks",)),
    ):
        answer = command(*order, *(ACCEPTING[name] for name in given))
        assert answer.code == 1
        line = answer.errors.splitlines()[-1]
        assert line.startswith(f"extract: error: {unsound}: unsound ({wanted[0]}): ")
        assert {name for name in told if told[name] in line} == set(wanted)
        assert {name for name in ACCEPTING if f"{ACCEPTING[name]} accepts it" in line} == set(
            wanted
        )
        assert not run.exists()
    answer = command(*order, *ACCEPTING.values())
    assert answer.code == 0, answer.errors
    known = info(run)
    assert known["accepted"] == sorted(ACCEPTING)
    stored = {finding["name"]: finding for finding in known["findings"]}
    source = ("--plugin", "medical_ner", "--data", unsound, "--model", workplace.model)
    audit = json.loads(command("audit", *source, *ACCEPTING.values(), "--json").output)
    assert [*stored.values()] == audit["findings"]
    for name, message in told.items():
        assert stored[name]["accepted"]
        assert message in stored[name]["message"]
        assert f"accepted ({name}): {stored[name]['message']}" in answer.errors


def test_a_run_on_data_that_was_accepted_continues(
    workplace: Workplace, unsound: Path, tmp_path: Path, command: Command
) -> None:
    run = tmp_path / "run"
    order = workplace.order(run, data=unsound, max_steps=1)
    extract(*order, *ACCEPTING.values(), kill=Moment("os.rename", "rejects.jsonl"))
    assert "sha256" not in info(run)["data"]  # nothing but the order is known
    for flag in ACCEPTING.values():
        assert command("train", "--resume", run, flag).code == 2
    answer = command("train", "--resume", run)
    assert answer.code == 0, answer.errors
    findings = info(run)["findings"]
    assert findings
    assert all(finding["accepted"] for finding in findings if finding["is_unsound"])

    # A run that began before such data was refused is gone on with too.
    known = info(run)
    del known["accepted"]
    (run / "run.json").write_text(json.dumps(known))
    shutil.rmtree(run / "adapter")
    answer = command("train", "--resume", run)
    assert answer.code == 0, answer.errors
    assert "unsound (duplicate-ids): " in answer.errors


# Adapters


def logits(model: Any, prompt: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        output: torch.Tensor = model(input_ids=torch.tensor([prompt])).logits[0]
    return output


@pytest.mark.parametrize("merge", ["yes", "no"])
def test_plain_peft_gives_the_same_model(
    trained: Trained, workplace: Workplace, merge: str
) -> None:
    from peft import PeftModel

    base = AutoModelForCausalLM.from_pretrained(
        workplace.model,
        dtype=torch.float32,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.float32,
        ),
    )
    adapter = trained.run / "adapter"
    plain = PeftModel.from_pretrained(base, str(adapter)).eval()
    stored = info(trained.run)["settings"]
    values = {name: entry["value"] for name, entry in stored.items()}
    settings = Settings(**{**values, "merge": merge, "precision": "fp32"})
    ours = load_for_inference(settings, adapter)
    prompts = PromptFormat(AutoTokenizer.from_pretrained(adapter))
    prompt = prompts.prompt(load("medical_ner").prompt(Document("a", "aspirin caused rash.")))
    expected = logits(plain, prompt)
    with plain.disable_adapter():
        taught = (logits(plain, prompt) - expected).abs().max()
    assert taught > 0.5
    # Plain bitsandbytes rounds the constants of the quantisation on some CPUs.
    apart = (logits(ours, prompt) - expected).abs().max()
    assert apart < taught / 50
    assert hasattr(ours, "peft_config") == (merge == "no")


VARIANTS: dict[str, dict[str, object]] = {
    "dora": {"dora": "true"},
    "rslora": {"rslora": "true", "lora_alpha": 32},
    "unquantised": {"quantize": "none"},
    "saved-modules": {"modules_to_save": "norm", "lora_targets": "q_proj,v_proj"},
    "saved-tied-modules": {"modules_to_save": "embed_tokens,lm_head"},
    "unmerged": {"merge": "no"},
    "checkpointing": {"activation_checkpointing": "true"},
    "fp32": {"precision": "fp32"},
    "accumulated": {"accumulation": 2, "batch_size": 4},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_trains_and_answers(
    workplace: Workplace, only_train: Path, tmp_path: Path, command: Command, variant: str
) -> None:
    run = tmp_path / "run"
    chosen = VARIANTS[variant]
    answer = command(*workplace.order(run, data=only_train, max_steps=2, **chosen))
    assert answer.code == 0, answer.errors
    config = json.loads((run / "adapter" / "adapter_config.json").read_text())
    assert config["use_dora"] == (variant == "dora")
    assert config["use_rslora"] == (variant == "rslora")
    assert config["lora_dropout"] == SETTINGS["lora_dropout"]
    answer = command("predict", run, "-", stdin=b"aspirin and rash.")
    assert answer.code == 0, answer.errors
    (line,) = answer.output.splitlines()
    # Two steps teach little; that it loads and answers with a record is what is asked.
    assert set(json.loads(line)["record"]["chemicals"]) <= {"aspirin"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"lora_targets": "q_prok"}, "has no module 'q_prok'; did you mean q_proj?"),
        ({"modules_to_save": "nrom"}, "has no module 'nrom'; did you mean norm?"),
        ({"lora_targets": "q_proj,lm_head"}, "lm_head cannot be adapted"),
    ],
)
def test_a_module_that_cannot_be_trained_is_one_line(
    workplace: Workplace,
    only_train: Path,
    tmp_path: Path,
    command: Command,
    setting: dict[str, object],
    said: str,
) -> None:
    answer = command(*workplace.order(tmp_path / "run", data=only_train, **setting))
    assert answer.code == 1
    assert said in answer.errors.splitlines()[-1]
    assert answer.errors.splitlines()[-1].startswith("extract: error: ")
    assert not (tmp_path / "run").exists()


def test_scoring_leaves_the_quantised_weights_as_they_are(
    workplace: Workplace, tmp_path: Path
) -> None:
    from fieldsmith.model.devices import pick_device
    from fieldsmith.model.loading import load_base

    settings = Settings(model=str(workplace.model))
    model: Any = load_base(settings, quantized=True, device=pick_device())
    weight = model.model.layers[0].mlp.up_proj.weight
    before = weight.data.clone(), weight.quant_state.absmax.clone()
    model.eval()
    logits(model, [1, 2, 3])
    model.train()
    model(input_ids=torch.tensor([[1, 2, 3]]))
    assert torch.equal(weight.data, before[0])
    assert torch.equal(weight.quant_state.absmax, before[1])


def test_the_corpus_is_what_the_tests_take_it_for(workplace: Workplace) -> None:
    assert sum(SPLITS.values()) == 44
    assert len(set(documents(99, seed=1))) == 99
    assert Run(workplace.folder / "trained").splits() == ["train", "validation", "test"]
