"""Several processes train one adapter: what ``--processes N`` starts, here on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import extract
from tiny_model import Workplace, lines

# Runs in each process before anything else. The second one gets scores of its own, by which it
# would never stop; each notes how many documents it answers at the end of an epoch.
_OTHER_SCORES = """
import os, sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec


class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "fieldsmith.training.scoring":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            change(module)

        spec.loader.exec_module = exec_module
        return spec


def change(module):
    rank = int(os.environ["RANK"])
    answer, best = module.Extractor.answer_windows, module.best_threshold
    calls = []

    def answer_windows(self, documents, *rest):
        calls.append(len(documents))
        with open(os.path.join(os.environ["NOTES"], f"rank-{rank}"), "a") as notes:
            notes.write(f"{len(documents)}\\n")
        return answer(self, documents, *rest)

    def best_threshold(*arguments):
        found = best(*arguments)
        if rank:
            found.scores["score"] = float(len(calls))
        return found

    class Watched(module.Extractor):
        pass

    Watched.answer_windows = answer_windows
    Watched.around = staticmethod(
        lambda *a, **o: Watched(**vars(module_around(*a, **o)))
    )
    module_around = module.Extractor.around
    module.Extractor, module.best_threshold = Watched, best_threshold


if "RANK" in os.environ:
    sys.meta_path.insert(0, Finder())
"""


@pytest.mark.slow
def test_two_processes_share_rows_and_documents_and_write_one_run(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, site = tmp_path / "run", tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_OTHER_SCORES, encoding="utf-8")
    order = workplace.order(run, epochs=6, batch_size=4, patience=1)
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("NOTES", str(tmp_path))
    answer = extract(*order, "--processes", "2", timeout=600)
    assert answer.code == 0, answer.errors
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert info["device"]["processes"] == 2
    steps_an_epoch = -(-info["counts"]["windows"]["trained"] // (2 * 4))
    scored = [line for line in lines(run / "log.jsonl") if "score" in line]
    assert [line["step"] for line in scored] == [
        steps_an_epoch * epoch for epoch in range(1, len(scored) + 1)
    ]
    scores = [line["score"] for line in scored]
    assert len(scores) < 6, "the first process had no better score after an epoch"
    assert scores[-1] <= max(scores[:-1])
    for rank in range(2):
        answered = (tmp_path / f"rank-{rank}").read_text(encoding="utf-8").split()
        assert answered == ["5"] * len(scored), "half of the ten validation documents"
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    assert answer.output.rstrip().endswith(str(run))
    assert answer.errors.count("documents:") == 1  # one process speaks


def test_more_gpus_than_there_are_is_one_line(workplace: Workplace, tmp_path: Path) -> None:
    answer = extract(*workplace.order(tmp_path / "run"), "--gpus", "64")
    assert answer.code == 1
    assert answer.errors.startswith("extract: error: --gpus 64: ")
    assert not (tmp_path / "run").exists()
