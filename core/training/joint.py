"""Train several domains together, in one adapter: one run folder, with the run of each in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..data import FLAGS, SPLITS
from ..dataset.issues import Issue
from ..dataset.splits import Leak, fingerprint, shown_ids
from ..errors import LeakError
from ..files import write_atomically
from ..parallel.processes import process_count
from ..progress import say
from ..runs.folder import Run
from ..runs.joint_job import JointJob, domain_runs, require_one_process
from ..settings import Settings
from ..task import Task
from ..windows.rows import Row
from .adapter import best_weights, complete, training_entry
from .manifest import described_device, versions
from .preparation import Prepared, prepare
from .row_settings import NO_PLANNER, Planner, fit_to_rows, planned
from .scoring import EpochScore, Scorer
from .storage import storage_faults
from .train import Inputs, fit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from .trainer import ExtractionTrainer

_RULES: Mapping[str, Callable[[Sequence[float]], float]] = {"mean": fmean, "worst": min}
"""How the scores of the domains make one, by the setting ``best``."""


@dataclass(frozen=True)
class JointScorer:
    """Answers and scores the held-out documents of several domains by one model.

    Attributes:
        scorers: one for each domain that has such documents, by its plugin's name.
        rule: the setting ``best``.
    """

    scorers: Mapping[str, Scorer]
    rule: str

    def score(self, model: PreTrainedModel, *, is_split: bool = False) -> EpochScore:
        """Score a model on each domain; see ``Scorer.score``.

        Returns:
            The scores of each domain by ``NAME/…``, and by "score" what epochs are compared by.
        """
        found = {n: each.score(model, is_split=is_split) for n, each in self.scorers.items()}
        of_each = {name: each.scores["score"] for name, each in found.items()}
        whole = _RULES[self.rule](list(of_each.values()))
        listed = ", ".join(f"{name} {score:.3f}" for name, score in of_each.items())
        say(f"validation: {listed}; {self.rule} {whole:.3f}")
        scores = {
            f"{name}/{key}": value
            for name, each in found.items()
            for key, value in each.scores.items()
        }
        return EpochScore({"score": whole, **scores}, partial(_choose, found))

    def under(self, settings: Settings) -> JointScorer:
        """Return the scorer of another attempt to train: no domain answers more at once."""
        changed = {}
        for name, each in self.scorers.items():
            own = each.task.settings
            most = min(own.eval_batch_size, settings.eval_batch_size)
            changed[name] = each.under(replace(own, eval_batch_size=most))
        return replace(self, scorers=changed)


def _choose(found: Mapping[str, EpochScore]) -> dict[str, Any]:
    """Return what the run stores of an epoch that is kept, by domain."""
    domains = {
        name: {"score": each.scores["score"], **each.choose()} for name, each in found.items()
    }
    return {"min_confidence": 0.0, "domains": domains}


def train_jointly(run: Run, job: JointJob, planner: Planner = NO_PLANNER) -> None:
    """Train an adapter of several domains into a run folder, from the last checkpoint if any.

    Args:
        run: the run folder.
        job: what to train on what.
        planner: see ``train``.

    Raises:
        FieldsmithError: as ``train``; what is wrong with one domain stops the training of all.
        LeakError: one domain is scored on texts that another one is trained on.
    """
    from ..model.library_output import quieten
    from ..model.location import identity

    require_one_process(job.settings.values, process_count())
    quieten()
    if run.is_complete():
        run.drop_checkpoints()  # a kill may have come between the two
        return
    runs = domain_runs(run)
    begun = "base_model" in run.info()
    made = []
    for domain, own in zip(runs, job.jobs, strict=True):
        say(f"{own.name}:")
        made.append(prepare(domain, own, begun=begun))
    if not begun:
        made = _with_leaks(made)
    rows = [
        replace(row, domain=number) for number, each in enumerate(made) for row in each.rows.trained
    ]
    if not begun:
        job = job.sharing(fit_to_rows(job.settings, rows, planner))
        made = [each.under(own) for each, own in zip(made, job.jobs, strict=True)]
        for each in made:
            each.write()
        entries = job.as_json()
        base = identity(job.settings.values)
        run.update(
            **{name: entries[name] for name in ("settings", "paths")},
            seed=job.settings.values.seed,
            versions=versions(),
            device=described_device(),
            base_model={name: job.shared.paths.named(held) for name, held in base.items()},
            **planned(planner, job.settings.values, rows),
        )
    with storage_faults(run):
        fit(_inputs(run, job, made, rows), planner, auto_batch=job.shared.auto_batch)


def _with_leaks(made: Sequence[Prepared]) -> list[Prepared]:
    """Return the domains with the texts that one is scored on and another one is trained on.

    They are leaks and issues of the domain that is scored on them, as if they were in two splits of
    its own data.

    Raises:
        LeakError: there are some, and the user does not accept leaks.
    """
    found = []
    for each in made:
        leaks, issues = list[Leak](), list[Issue]()
        for other in made:
            if other is not each and (shared := _leaks(each, other)):
                leaks += shared
                issues.append(_accepted(each, other, shared))
        known = replace(each.splits, leaks=(*each.splits.leaks, *leaks))
        found.append(replace(each, splits=known, issues=[*each.issues, *issues]))
    return found


def _leaks(scored: Prepared, trained: Prepared) -> list[Leak]:
    """Return the texts that one domain is scored on and another one is trained on, by split."""
    texts = {fingerprint(example.document.text) for example in trained.splits.train}
    found = []
    for name in SPLITS[1:]:
        ids: dict[str, str] = {}
        for example in getattr(scored.splits, name):
            ids.setdefault(fingerprint(example.document.text), example.document.id)
        if shared := tuple(ids[text] for text in ids if text in texts):
            found.append(Leak(name, f"train of {trained.job.name}", shared, len(ids)))
    return found


def _accepted(scored: Prepared, trained: Prepared, leaks: Sequence[Leak]) -> Issue:
    """Return the issue of leaks between two domains, and say it.

    Raises:
        LeakError: the user does not accept leaks.
    """
    ids = [document for leak in leaks for document in leak.ids]
    total = len(scored.splits.validation) + len(scored.splits.test)
    line = (
        f"{len(ids)} of the {total} validation and test documents of {scored.job.name} are "
        f"training documents of {trained.job.name} ({shown_ids(ids)})"
    )
    if "leaks" not in scored.job.accepted:
        raise LeakError(
            f"{line}; split both alike, by the key split of their rows, or accept it by "
            f"{FLAGS['leaks']}"
        )
    issue = Issue("leaks", line, FLAGS["leaks"], accepted=True)
    say(issue.line)
    return issue


def _inputs(run: Run, job: JointJob, made: Sequence[Prepared], rows: Sequence[Row]) -> Inputs:
    settings = job.settings.values
    scorers = {each.job.name: scorer for each in made if (scorer := each.scorer()) is not None}
    return Inputs(
        run,
        settings,
        made[0].task.prompts,
        rows,
        [row for each in made for row in each.held_out_rows()],
        JointScorer(scorers, settings.best) if scorers else None,
        [each.tags() for each in made] if settings.tagging_weight else [],
        partial(_install, run, made),
    )


def _install(
    run: Run, made: Sequence[Prepared], trainer: ExtractionTrainer, settings: Settings
) -> None:
    """Write the best adapter into the run's folder, and make a complete run of each domain.

    The weights are there once: the adapters of the domains are links to them.

    Raises:
        DivergedError: the adapter is of no use; see ``check_saved``.
    """
    partial_folder = best_weights(run, trainer)
    assert partial_folder is not None  # several domains are trained by one process
    made[0].task.prompts.tokenizer.save_pretrained(str(partial_folder))
    (partial_folder / "README.md").unlink(missing_ok=True)  # PEFT's; each domain has a card
    training = training_entry(trainer)
    for each in made:
        write_log(run, each.run)
        install_domain(each.run, each.task, partial_folder, of_domain(training, each.job.name))
    run.update(training=of_all(training))
    os.replace(partial_folder, run.adapter)
    run.drop_checkpoints()


def of_all(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry ``training`` of all domains: what is chosen for each is not in it."""
    return {k: value for k, value in training.items() if k not in ("min_confidence", "domains")}


def of_domain(training: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the entry ``training`` of one domain."""
    own = training.get("domains", {}).get(name, {"score": None, "min_confidence": 0.0})
    chosen = {key: own[key] for key in ("min_confidence", "shares") if key in own}
    return {**of_all(training), "best_score": own["score"], **chosen}


def install_domain(run: Run, task: Task, weights: Path, training: Mapping[str, Any]) -> None:
    """Make the run of a domain complete.

    Args:
        run: the run of the domain.
        task: what the weights were trained for in it.
        weights: the folder of the weights and the tokenizer.
        training: the entry of run.json.
    """
    own = run.folder / ".adapter"
    for folder in (own, run.adapter):  # a kill may have come after one was made
        shutil.rmtree(folder, ignore_errors=True)
    own.mkdir()
    for file in sorted(weights.iterdir()):
        _link(file, own / file.name)
    complete(run, own, task, training)


def _link(file: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy where the file system has none."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copy2(file, target)


def write_log(run: Run, domain: Run) -> None:
    """Write the log of a domain: the steps of the training, with the scores of this domain."""
    lines = []
    for line in run.log():
        kept = {key: value for key, value in line.items() if not key.startswith("score")}
        prefix = f"score/{domain.folder.name}/"
        own = {k.removeprefix(prefix): v for k, v in line.items() if k.startswith(prefix)}
        kept |= {k if k == "score" else f"score/{k}": value for k, value in own.items()}
        lines.append(json.dumps(kept) + "\n")
    write_atomically(domain.log_file, "".join(lines).encode())
