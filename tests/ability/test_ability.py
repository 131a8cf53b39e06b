"""`extract evaluate --ability`: a run's base and its tuned model on general tasks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command import Command
from lxml import html
from tiny_model import Trained, Workplace

from fieldsmith.ability.figures import FIGURES, compared
from fieldsmith.ability.local_tasks import measure_task
from fieldsmith.ability.measure import choose, measure_ability
from fieldsmith.ability.tasks import read_task
from fieldsmith.model.loading import load_for_inference
from fieldsmith.model.tokenizer import load_tokenizer
from fieldsmith.runs.ability import ability_section, read_ability
from fieldsmith.runs.folder import Run

if TYPE_CHECKING:
    from tiny_families import CausalRun

QUESTIONS = """
{"question": "Which is red?", "choices": ["blood", "snow"], "answer": "blood"}
{"question": "Which is cold?", "choices": ["fire", "snow"], "answer": "snow"}
"""
PASSAGES = "- passage: He lost his hat, and she found the hat\n- passage: It rained and rained\n"
TEXTS = '{"text": "Aspirin came first."}\n{"text": "A walnut tree does not like to be cut."}\n'


@pytest.fixture
def tasks(tmp_path: Path) -> list[Path]:
    """A file of each kind."""
    found = []
    for name, text in (("which.jsonl", QUESTIONS), ("words.yaml", PASSAGES), ("old.jsonl", TEXTS)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        found.append(tmp_path / name)
    return found


def options(tasks: list[Path]) -> list[str]:
    return [f"--ability={task}" for task in tasks]


def test_base_and_tuned_model_are_measured_side_by_side(
    run: Path, tasks: list[Path], command: Command
) -> None:
    before = (run / "metrics.json").read_bytes()
    answer = command("evaluate", run, *options(tasks), "--json")
    assert answer.code == 0, answer.errors
    found = json.loads(answer.output)["tasks"]
    assert list(found) == ["which", "words", "old"]
    assert [each["figure"] for each in found.values()] == ["accuracy", "accuracy", "bits per byte"]
    assert read_ability(Run.open(run)) == found
    # No document was scored.
    assert (run / "metrics.json").read_bytes() == before
    assert not (run / "test-scores.jsonl").exists()
    settings = Run.open(run).settings().values
    tokenizer = load_tokenizer(settings, run / "adapter")
    for side, adapter in (("base", None), ("tuned", run / "adapter")):
        model = load_for_inference(settings, adapter)
        ((figure, sums),) = measure_task(model, tokenizer, read_task(tasks[2])).items()
        assert figure == "bits per byte"
        bits = sum(nats for nats, _bytes in sums) / sum(size for _nats, size in sums) / 0.693147
        assert found["old"][side] == pytest.approx(bits, rel=1e-4)
    old = found["old"]
    assert old["difference"]["value"] == pytest.approx(old["tuned"] - old["base"]) != 0
    assert list(found["words"]["also"]) == ["perplexity"]


def test_what_is_lost_is_the_exit_code(run: Path, tasks: list[Path], command: Command) -> None:
    first = command("evaluate", run, *options(tasks))
    assert first.code == 0, first.errors
    assert "lost" not in first.output
    found = read_ability(Run.open(run))["old"]
    # Two short texts of the tuning's own words: whether they gained or lost, all bounds are tried.
    for bound, lost in ((0.0, found["certain"] and found["loss"] > 0), (1000.0, False)):
        answer = command("evaluate", run, f"--ability={tasks[2]}", "--max-loss", bound)
        assert answer.code == int(lost), answer.errors
        assert (f"more than {bound:g} lost: old" in answer.output) is lost
    assert set(read_ability(Run.open(run))) == {"which", "words", "old"}
    assert read_ability(Run.open(run))["which"]["max_loss"] is None


def test_report_and_card_show_it(run: Path, tasks: list[Path], command: Command) -> None:
    answer = command("evaluate", run, f"--ability={tasks[0]}", "--max-loss", "0.5")
    assert answer.code in (0, 1), answer.errors
    section = ability_section(read_ability(Run.open(run)))
    assert "| which | 2 | accuracy ↑ |" in section
    card = run / "adapter" / "README.md"
    assert card.read_text(encoding="utf-8").count(section) == 1
    command("evaluate", run, f"--ability={tasks[0]}")
    assert card.read_text(encoding="utf-8").count("## General ability") == 1

    from fieldsmith.exporting.hub_files import collect

    files = collect(Run.open(run), None, None, None).files["README.md"]
    assert isinstance(files, bytes)
    assert files.decode().count("## General ability") == 1
    shown = command("report", run)
    assert "general ability" in shown.output
    stored = json.loads(command("report", run, "--json").output)["ability"]
    assert stored == read_ability(Run.open(run))
    page = run.parent / "page.html"
    command("report", run, "--html", page)
    (row,) = html.fromstring(page.read_text(encoding="utf-8")).xpath(
        "//section[@id='ability']//tbody/tr"
    )
    assert [cell.text_content() for cell in row][:3] == ["which", "2", "accuracy ↑"]
    (run / "ability.json").write_text("{}", encoding="utf-8")
    broken = command("report", run)
    assert "Figures of general ability are not shown" in broken.output
    assert "ability.json: the key 'tasks' is missing" in broken.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ability", "local"), "--ability wants a run"),
        (("RUN", "--max-loss", "0.1"), "--max-loss wants --ability"),
        (("RUN", "--ability", "local", "--split", "test"), "it excludes --split"),
        (("RUN", "--ability", "local", "--base"), "it excludes --base"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: tuple[str, ...], message: str, trained: Trained, command: Command
) -> None:
    given = [trained.run if each == "RUN" else each for each in arguments]
    answer = command("evaluate", *given)
    assert (answer.code, answer.output) == (2, "")
    assert message in " ".join(answer.errors.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"lora_init": "pissa"}, {"tuning": "full", "learning_rate": 5e-4}], ids=str
)
def test_the_base_is_the_one_that_the_training_began_with(
    settings: dict[str, Any], workplace: Workplace, tmp_path: Path, tasks: list[Path]
) -> None:
    made = workplace.train(tmp_path / "run", patience=0, epochs=1, quantize="none", **settings)
    run = Run.open(made.run)
    found = measure_ability(run, [str(tasks[2])])["old"]
    assert found["base"] != found["tuned"]
    chosen = replace(run.settings().values, model=str(workplace.model), tuning="adapter")
    model = load_for_inference(chosen, None)
    tokenizer = load_tokenizer(chosen)
    ((_figure, sums),) = measure_task(model, tokenizer, read_task(tasks[2])).items()
    alone = compared(sums, sums, FIGURES["bits per byte"])
    assert found["base"] == pytest.approx(alone["base"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lm_eval_finds_what_we_find(
    causal: CausalRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = pytest.importorskip("lm_eval.tasks")
    from fieldsmith.ability import lm_eval_tasks, measure
    from fieldsmith.ability.tasks import Passage, Question, local_task

    rows: dict[str, list[dict[str, Any]]] = {"ours_which": [], "ours_words": []}
    for row in local_task("general_knowledge").rows:
        assert isinstance(row, Question)
        rows["ours_which"].append({"q": row.question, "c": list(row.choices), "a": row.answer})
    for row in local_task("last_word").rows:
        assert isinstance(row, Passage)
        rows["ours_words"].append({"before": row.context, "last": row.last_word})
    kinds = {
        "ours_which": 'output_type: multiple_choice\ndoc_to_text: "Question: {{q}}\\nAnswer:"\n'
        'doc_to_choice: "{{c}}"\ndoc_to_target: "{{a}}"\n'
        "metric_list: [{metric: acc}, {metric: acc_norm}]\n",
        "ours_words": 'output_type: loglikelihood\ndoc_to_text: "{{before}}"\n'
        'doc_to_target: " {{last}}"\nmetric_list: [{metric: perplexity}, {metric: acc}]\n',
    }
    for name, kind in kinds.items():
        data = tmp_path / f"{name}.jsonl"
        data.write_text("".join(f"{json.dumps(row)}\n" for row in rows[name]), encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(
            f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\n"
            f"test_split: test\n{kind}",
            encoding="utf-8",
        )
    run = Path(shutil.copytree(causal.run, tmp_path / "run"))
    manager = tasks.TaskManager(include_path=str(tmp_path))
    monkeypatch.setattr(
        measure, "open_tasks", lambda names, package: lm_eval_tasks.open_tasks(names, manager)
    )
    found = measure.measure_ability(
        Run.open(run), ["general_knowledge,last_word,ours_which,ours_words"]
    )
    for ours, theirs in (("general_knowledge", "ours_which"), ("last_word", "ours_words")):
        assert found[theirs]["documents"] == found[ours]["documents"]
        for side in ("base", "tuned"):
            # Of two choices that are as likely, rounding may decide in one document.
            assert found[theirs][side] == pytest.approx(found[ours][side], abs=0.013)
    assert found["ours_which"]["figure"] == "acc_norm"
    assert found["ours_words"]["figure"] == "acc"
    assert found["ours_words"]["source"].startswith("lm-eval 0.4")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_task_that_lm_eval_lacks_or_cannot_reach_is_one_line() -> None:
    pytest.importorskip("lm_eval.tasks")
    from fieldsmith.errors import SettingsError

    with pytest.raises(SettingsError, match=r"--ability arc_hard: no task .* did you mean"):
        choose(["arc_hard"])
    with pytest.raises(SettingsError, match=r"--ability last_wrod: .* did you mean last_word\?"):
        choose(["last_wrod"])
    with pytest.raises(SettingsError) as refused:
        choose(["original"])
    assert "--ability arc_challenge: lm-eval cannot load its data" in str(refused.value)
    assert "\n" not in str(refused.value)
