"""Several domains that are trained together, in one adapter."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
import torch
from command import Command, Moment, extract
from joint_run import DOMAINS, joint_order, write_papers
from tiny_model import Workplace, contents, info, lines
from tracked import read_tensorboard

from fieldsmith.data import IGNORED
from fieldsmith.plugins import load
from fieldsmith.recipes import read_preset
from fieldsmith.runs.joint_job import joint_settings
from fieldsmith.tagging.labels import tagging_loss
from fieldsmith.training.sampler import LengthGroupedSampler, Mixture


def without_times(folder: Path) -> dict[str, bytes]:
    """Return what a training wrote, without what scoring measured of time and memory."""
    return {name: data for name, data in contents(folder).items() if "metrics" not in name}


def test_the_run_of_each_domain_is_an_ordinary_one(
    joint: Path, tmp_path: Path, command: Command
) -> None:
    whole = info(joint)
    assert whole["plugins"] == list(DOMAINS)
    assert not (joint / "checkpoints").exists()
    weights = {
        (folder / "adapter" / "adapter_model.safetensors").stat().st_ino
        for folder in (joint, *(joint / name for name in DOMAINS))
    }
    assert len(weights) == 1  # links to one file
    for name in DOMAINS:
        own = info(joint / name)
        assert own["plugin"]["name"] == name
        (other,) = set(DOMAINS) - {name}
        card = (joint / name / "adapter" / "README.md").read_text(encoding="utf-8")
        assert f"trained on the data of `{other}`" in card
        assert own["counts"]["documents"]["train"] == {"medical_ner": 24, "dcat_datasets": 12}[name]
        copy = shutil.copytree(joint / name, tmp_path / name)  # nothing in it names the others
        answer = command("evaluate", copy, "--split", "validation", "--json")
        assert answer.code == 0, answer.errors
        assert json.loads(answer.output)["plugin"] == name


def test_a_tracker_gets_each_domain_s_scores_under_its_name(
    joint: Path, tmp_path: Path, command: Command
) -> None:
    run = shutil.copytree(joint, tmp_path / "run")
    answer = command("track", run, "--to", "tensorboard")
    assert answer.code == 0, answer.errors
    numbers = read_tensorboard(run).numbers
    logged = [(row["step"], row["score"]) for row in lines(joint / "log.jsonl") if "score" in row]
    assert numbers["score"] == logged
    for name in DOMAINS:
        metrics = json.loads((joint / name / "metrics.json").read_text())["validation"]["metrics"]
        assert numbers[f"{name}/validation/score"][0][1] == metrics["score"]["value"]
        assert len(numbers[f"score/{name}/score"]) == len(logged)


def test_each_domain_keeps_how_it_is_read_and_shares_how_it_is_trained(joint: Path) -> None:
    one, other = (info(joint / name)["settings"] for name in DOMAINS)
    shared = info(joint)["settings"]
    assert one["window"]["value"] == "document"
    assert other["window"]["value"] == "document"
    assert one["score"]["value"] == ["chemicals", "diseases", "relations"]
    assert other["score"]["value"] == ["datasets", "values"]
    for name in ("learning_rate", "batch_size", "accumulation", "epochs", "lora_rank", "warmup"):
        assert one[name] == other[name] == shared[name]


def test_the_best_checkpoint_is_that_of_the_mean(joint: Path) -> None:
    scored = [line for line in lines(joint / "log.jsonl") if "score" in line]
    assert len(scored) == 2
    for line in scored:
        of_each = [line[f"score/{name}/score"] for name in DOMAINS]
        assert line["score"] == pytest.approx(fmean(of_each))
    best = max(scored, key=lambda line: (line["score"], line["step"]))
    whole = info(joint)["training"]
    assert (whole["best_step"], whole["best_score"]) == (best["step"], best["score"])
    for name in DOMAINS:
        training = info(joint / name)["training"]
        assert training["best_step"] == best["step"]
        assert training["best_score"] == best[f"score/{name}/score"]
        own = [line for line in lines(joint / name / "log.jsonl") if "score" in line]
        assert [line["score"] for line in own] == [line[f"score/{name}/score"] for line in scored]


@pytest.mark.parametrize(
    "moment",
    [
        Moment("os.rename", "checkpoint-4"),
        pytest.param(Moment("os.rename", "dcat_datasets/adapter"), marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_ends_in_the_same_bytes(
    moment: Moment, joint: Path, workplace: Workplace, tmp_path: Path
) -> None:
    run = tmp_path / joint.name
    extract(*joint_order(workplace, joint.parent / "papers.jsonl", run), kill=moment)
    assert_recovered(run)
    answer = extract("train", "--resume", run)
    assert answer.code == 0, answer.errors
    whole, again = without_times(joint), without_times(run)
    assert whole.keys() == again.keys()
    # Where the folder is, and what it was begun with, differs by the path of the test.
    differing = {name for name in whole if whole[name] != again[name]}
    assert differing <= {"run.json", *(f"{name}/run.json" for name in DOMAINS)}
    for name in ("", *DOMAINS):
        for key in ("training", "settings", "receipt"):
            assert info(run / name).get(key) == info(joint / name).get(key)


def assert_recovered(run: Path) -> None:
    """Make a run of an unfinished one: of all its domains, by the best weights that are kept."""
    before = {name: data for name, data in contents(run).items() if not name.endswith(".lock")}
    answer = extract("recover", run, "--output", run.parent / "recovered")
    assert answer.code == 0, answer.errors
    after = {name: data for name, data in contents(run).items() if not name.endswith(".lock")}
    assert before == after
    made = Path(answer.output.strip())
    scored = [line for line in lines(made / "log.jsonl") if "score" in line]
    training = info(made)["training"]
    best = max(scored, key=lambda line: (line["score"], line["step"]))
    assert training == {
        "steps": best["step"],
        "best_step": best["step"],
        "best_score": best["score"],
        "unfinished": {"of": 6},
    }
    weights = {
        (folder / "adapter" / "adapter_model.safetensors").stat().st_ino
        for folder in (made, *(made / name for name in DOMAINS))
    }
    assert len(weights) == 1
    text = run.parent / "note.txt"
    text.write_text("aspirin caused rash in 4 patients of the Corvid corpus.", encoding="utf-8")
    for name in DOMAINS:
        own = info(made / name)["training"]
        assert own["best_score"] == best[f"score/{name}/score"]
        assert [each["score"] for each in lines(made / name / "log.jsonl") if "score" in each] == [
            each[f"score/{name}/score"] for each in scored
        ]
        card = (made / name / "adapter" / "README.md").read_text(encoding="utf-8")
        assert f"step {best['step']} of 6" in card
        predicted = extract("predict", made, text, "--plugin", name)
        assert predicted.code == 0, predicted.errors
        assert json.loads(predicted.output)["plugin"] == name
    newest = extract("export", run, "--format", "latest_checkpoint_info")
    assert json.loads(newest.output)["max_steps"] == 6
    part = run / DOMAINS[0]
    if not (part / "adapter").exists():
        answer = extract("export", part, "--format", "latest_checkpoint_info")
        assert f"extract export {run} --format latest_checkpoint_info" in answer.errors
        answer = extract("recover", part)
        assert f"name the run of all: {run}\n" in answer.errors
        answer = extract("report", part)
        assert f"resume it: extract train --resume {run}\n" in answer.errors


def test_a_training_whose_log_is_lost_is_recovered_all_the_same(
    workplace: Workplace, tmp_path: Path, command: Command
) -> None:
    write_papers(tmp_path / "papers.jsonl")
    run, kill = tmp_path / "run", Moment("os.rename", "checkpoint-2")
    order = joint_order(workplace, tmp_path / "papers.jsonl", run, checkpoint_steps=1)
    extract(*order, kill=kill)
    (run / "log.jsonl").unlink()
    answer = command("recover", run)
    assert answer.code == 0, answer.errors
    made = Path(answer.output.strip())
    for name in DOMAINS:
        assert info(made / name)["training"]["steps"] == 1
        assert lines(made / name / "log.jsonl") == []


def test_a_joint_run_is_not_taken_for_that_of_one_domain(joint: Path, command: Command) -> None:
    for arguments in (["cases", joint, "x"], ["next", joint, "x.txt", "--output", "y.jsonl"]):
        answer = command(*arguments)
        assert answer.code == 1
        assert "was trained on several domains (medical_ner, dcat_datasets)" in answer.errors
        assert answer.errors.count("\n") == 1
    answer = command("recover", joint)
    assert answer.code == 1
    assert "the training has ended; the run can be used as it is" in answer.errors
    answer = command("train", "--resume", joint / "medical_ner")
    assert answer.code == 1
    assert f"name the run of all: {joint}" in answer.errors


def test_the_longest_rows_decide_what_is_for_their_memory() -> None:
    preset = read_preset("embedded")
    found = {
        name: joint_settings(preset, load(name), {}).values for name in ("medical_ner", "news_json")
    }
    short, long = found["medical_ner"], found["news_json"]
    assert (short.epochs, short.batch_size, short.accumulation) == (5, 16, 1)
    assert (long.epochs, long.batch_size, long.accumulation) == (5, 2, 8)
    assert (long.attention, short.attention) == ("sdpa", "eager")
    chosen = joint_settings(preset, load("news_json"), {"batch_size": 4, "accumulation": 3}).values
    assert (chosen.batch_size, chosen.accumulation) == (4, 3)


# Rows of an epoch


def test_a_temperature_of_one_reads_each_row_once() -> None:
    mixture = Mixture.of([0] * 6 + [1] * 3, 1, seed=5)
    assert mixture.counts == [6, 3]
    assert sorted(mixture.rows(3)) == list(range(9))


def test_a_higher_temperature_reads_small_domains_more_often() -> None:
    domains = [0] * 90 + [1] * 10
    assert Mixture.of(domains, 2, seed=5).counts == [75, 25]
    assert Mixture.of(domains, 1e6, seed=5).counts == [50, 50]


def test_rows_of_a_domain_are_read_in_rounds() -> None:
    mixture = Mixture.of([0] * 12 + [1] * 4, 1e6, seed=5)
    assert mixture.counts == [8, 8]
    epochs = [mixture.rows(epoch) for epoch in range(3)]
    assert epochs[0] != epochs[1]
    read = Counter(row for rows in epochs for row in rows)
    assert {read[row] for row in range(12)} == {2}
    assert {read[row] for row in range(12, 16)} == {6}
    assert epochs == [Mixture.of([0] * 12 + [1] * 4, 1e6, seed=5).rows(e) for e in range(3)]
    assert epochs[0] != Mixture.of([0] * 12 + [1] * 4, 1e6, seed=6).rows(0)


def test_the_sampler_reads_the_rows_of_the_mixture() -> None:
    mixture = Mixture.of([0] * 12 + [1] * 4, 1e6, seed=5)
    sampler = LengthGroupedSampler(range(16), 4, 5, group=True, mixture=mixture)
    sampler.epoch = 2
    assert len(list(sampler)) == len(sampler) == 16
    assert Counter(sampler) == Counter(mixture.rows(2))
    assert list(sampler) != mixture.rows(2)


# Tags


def test_a_tag_competes_with_those_of_its_domain() -> None:
    from fieldsmith.training.tagging_trainer import TaggingTrainer

    trainer = TaggingTrainer.__new__(TaggingTrainer)
    trainer.tags = [torch.tensor([1, 2, 5]), torch.tensor([2, 7])]
    torch.manual_seed(0)
    hidden, head = torch.randn(2, 4, 6), torch.randn(9, 6)
    tags = torch.tensor([[1, 5, IGNORED, 2], [7, IGNORED, 2, 2]])
    found = trainer._tagging_loss(hidden, tags, torch.tensor([0, 1]), head)
    wanted = sum(
        tagging_loss(hidden[n][tags[n] != IGNORED], tags[n][tags[n] != IGNORED], own, head)
        for n, own in enumerate(trainer.tags)
    )
    assert float(found) == pytest.approx(float(wanted))
    assert float(trainer._tagging_loss(hidden[:1], tags[:1], None, head)) < float(found)


@pytest.mark.slow
def test_a_causal_model_is_packed_chosen_by_its_worst_domain_and_merged(
    tmp_path: Path, command: Command
) -> None:
    from joint_run import write_papers
    from tiny_families import FAMILIES, SETTINGS, write_family
    from tiny_model import as_yaml, write_corpus

    write_corpus(tmp_path / "corpus")
    write_papers(tmp_path / "papers.jsonl")
    write_family(tmp_path / "model", FAMILIES["llama"], tmp_path / "corpus")
    values = {**SETTINGS, "packing": True, "max_length": 512, "sampling_temperature": 4}
    values["best"] = "worst"
    trained = command(
        "train",
        *(f"--plugin={name}" for name in DOMAINS),
        f"--data=medical_ner={tmp_path / 'corpus'}",
        f"--data=dcat_datasets={tmp_path / 'papers.jsonl'}",
        *("--model", tmp_path / "model", "--output", tmp_path / "run"),
        *(f"--set={name}={as_yaml(value)}" for name, value in values.items()),
    )
    assert trained.code == 0, trained.errors
    (scored,) = (line for line in lines(tmp_path / "run" / "log.jsonl") if "score" in line)
    assert scored["score"] == min(scored[f"score/{name}/score"] for name in DOMAINS)
    merged = command(
        "merge", tmp_path / "run" / "dcat_datasets", "--output", tmp_path / "merged", "--json"
    )
    assert merged.code == 0, merged.errors
    assert (tmp_path / "merged" / "model.safetensors").is_file()


def test_a_plan_counts_the_rows_of_all(joint: Path, workplace: Workplace, command: Command) -> None:
    sources = {"medical_ner": workplace.corpus, "dcat_datasets": joint.parent / "papers.jsonl"}
    model = ("--model", workplace.model, "--preset", "llama-3.2-3b", "--max-length", 512)
    short = ("max_new_tokens=40", "window_size=128", "prompt=brief")
    small = (*(f"--set={each}" for each in short), "--json", *model)
    together = command(
        "plan",
        *(f"--plugin={name}" for name in DOMAINS),
        *(f"--data={name}={path}" for name, path in sources.items()),
        *small,
    )
    assert together.code == 0, together.errors
    alone = command("plan", "--plugin=medical_ner", f"--data={workplace.corpus}", *small)
    found, part = (json.loads(answer.output)["work"] for answer in (together, alone))
    assert found["rows"] == part["rows"] + 12
    assert found["tokens"] > part["tokens"]
