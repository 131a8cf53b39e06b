"""Small models, servers and plugins in place of those that the pages of the docs name."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command import Moment
from doc_commands import blocks
from installed_plugins import Site
from known_to_llama_cpp import skip_without_index
from llama_cpp_server import serving_gguf
from page_commands import MODEL, Words
from page_files import add_conversations, add_rows, write_page_files, write_papers
from paths import ROOT
from played_teacher import Played, record, teaching
from stand_in_arxiv import PAPERS, arxiv, harvested
from stand_in_vllm import LLAMA_CPP, write_package
from tiny_families import CausalRun, lengthen, write_llama
from tiny_model import Trained, Workplace
from web_site import html, serving
from writable_hub import TOKEN, USER, WritableHub
from writable_hub import serving as serving_hub

from fieldsmith.engines.connect import KEY
from fieldsmith.errors import SettingsError

DOCS = ROOT / "docs"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that pages name, copied for each of them."""
    folder = tmp_path_factory.mktemp("pages") / "files"
    folder.mkdir()
    write_page_files(folder)
    write_llama(folder / MODEL, folder / "corpus")
    return folder


@pytest.fixture
def tagged(trained: Trained) -> Path:
    return trained.run


@pytest.fixture
def served_run(known: CausalRun) -> Path:
    """The run whose model ``llama_cpp`` and ``vllm`` serve."""
    return known.run


@pytest.fixture
def served_base(known: CausalRun, tmp_path: Path) -> Words:
    """The base model of that run, whose tokens the servers know."""
    model = Path(shutil.copytree(known.folder / "model", tmp_path / "model"))
    lengthen(model)
    return {"MODEL": model}


@pytest.fixture(scope="session")
def unfinished(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed as it wrote its third checkpoint."""
    run = tmp_path_factory.mktemp("unfinished") / "run"
    workplace.train(run, kill=Moment("os.rename", "checkpoint-12"), patience=0, epochs=3)
    return run


@pytest.fixture(scope="session")
def gguf(known: CausalRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The merged model of the causal run as a GGUF file."""
    from fieldsmith.exporting.gguf_file import write_gguf
    from fieldsmith.exporting.merged import merge
    from fieldsmith.runs.folder import Run

    folder = tmp_path_factory.mktemp("gguf") / "model"
    merge(Run.open(known.run), folder)
    try:
        return write_gguf(folder, "f32").path
    except SettingsError as error:
        skip_without_index(str(error))
        raise


@pytest.fixture
def gguf_model(gguf: Path) -> Words:
    target = Path("models", "Qwen3-0.6B-Q8_0.gguf")
    shutil.copyfile(gguf, target)
    return {}


@pytest.fixture
def llama_cpp(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Words]:
    """Servers with the merged model of the causal run."""
    pytest.importorskip("xllamacpp", reason="the extra llama-cpp is not installed")
    with serving_gguf(gguf) as server:
        monkeypatch.setenv(KEY, server.key)
        other = server.address.replace("127.0.0.1", "localhost")
        names = ("http://localhost:8000", "http://localhost:8001", "http://one:8000")
        yield {**dict.fromkeys(names, server.address), "http://two:8000": other}


@pytest.fixture
def vllm(gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """A Python in which llama.cpp's server is called vLLM's."""
    write_package(tmp_path / "vllm-site", LLAMA_CPP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "vllm-site"))
    monkeypatch.setenv("GGUF", str(gguf))
    return {"~/vllm/bin/python": sys.executable}


@pytest.fixture
def store(tmp_path: Path) -> Words:
    """A folder in place of an object store."""
    return {"s3://bucket/folder": (tmp_path / "place" / "folder").as_uri(), "0.5": 0, "4": 1}


@pytest.fixture
def ray_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Words]:
    """A cluster of Ray that runs on this machine."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    port = free_port()
    options = ["--head", "--block", "--num-cpus=1", "--include-dashboard=false", f"--port={port}"]
    cluster = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert cluster.stdout
    try:
        assert any("block forever" in line for line in iter(cluster.stdout.readline, ""))
        yield {"auto": f"127.0.0.1:{port}"}
    finally:
        cluster.terminate()
        cluster.communicate(timeout=60)


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture
def main_address() -> Words:
    """A port of this machine in place of another machine's."""
    return {"gpu1:29500": f"127.0.0.1:{free_port()}"}


@pytest.fixture
def teacher() -> Iterator[Words]:
    """A server that gives each document the same labels."""

    def play(_body: object) -> Played:
        return record(chemicals=["aspirin"], diseases=["rash"])

    with teaching(play) as served:
        yield {
            "http://localhost:8000": served.address,
            "https://api.example.com/v1": served.address,
            "https://api.openai.com/v1": served.address,
        }


@pytest.fixture
def sites() -> Iterator[Words]:
    """One server in place of arXiv's and those of news."""
    papers = [
        replace(PAPERS[1], id=f"2404.9{number:04}", title=f"On hens {number}")
        for number in range(24)
    ]
    site = arxiv(papers)
    site.answers |= harvested([paper.record() for paper in PAPERS]).answers
    with serving(site):
        page = "<h1>Storm over Vellin</h1><p>A storm tore roofs from forty houses on Monday.</p>"
        site.answers["/storm"] = html(f"<!doctype html><html><body>{page}</body></html>")
        date = "<pubDate>Thu, 18 Apr 2024 06:00:00 GMT</pubDate>"
        item = f"<item><link>{site.address}/storm</link>{date}</item>"
        feed = f'<rss version="2.0"><channel><title>Vellin Post</title>{item}</channel></rss>'
        site.answers["/feed.xml"] = html(feed)
        Path("addresses.txt").write_text(f"{site.address}/storm\n", encoding="utf-8")
        yield {"https://vellin.example/feed.xml": f"{site.address}/feed.xml", "SITE": site.address}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Words]:
    """A hub that takes uploads."""
    with serving_hub(WritableHub()) as served:
        for name, value in {
            "HF_ENDPOINT": served.address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": TOKEN,
        }.items():
            monkeypatch.setenv(name, value)
        yield {"me/medical": f"{USER}/medical"}


@pytest.fixture
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """Trackers that write nothing into the home folder."""
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb"))
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return {}


@pytest.fixture
def own_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Words:
    """The plugin of the tutorial and the wrapper of the page, and data with names of its own."""
    site = Site(tmp_path / "site")
    package = site.path / "fieldsmith_job_adverts"
    shutil.copytree(DOCS / "tutorial", package)
    (package / "plugin.py").rename(package / "__init__.py")
    entry_points = "[extract.plugins]\njob_adverts = fieldsmith_job_adverts\n"
    site.declare("fieldsmith-job-adverts", "0.1.0", entry_points)
    shown = [code for _, code in blocks(DOCS / "plugins.md", "python")]
    (wrapper,) = (code for code in shown if code.startswith("@fieldsmith.hookimpl(wrapper=True)"))
    site.install("whole_records", f"import fieldsmith\n\n\n{wrapper}")
    monkeypatch.syspath_prepend(site.path)
    monkeypatch.setenv("PYTHONPATH", str(site.path))
    (model,) = (code for code in shown if "class Advert" in code)
    Path("model.py").write_text(model, encoding="utf-8")
    for file in Path("corpus").iterdir():
        text = file.read_text(encoding="utf-8")
        text = text.replace("\tChemical\t", "\tChemicalEntity\t").replace(
            "\tDisease\t", "\tDisorder\t"
        )
        file.write_text(text, encoding="utf-8")
    return {}


@pytest.fixture
def place(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run, and a cache of its own with llama.cpp's converter."""
    folder = Path(shutil.copytree(files, tmp_path / "place"))
    cache = tmp_path / "cache" / "fieldsmith"
    cache.mkdir(parents=True)
    tools = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fieldsmith/tools"
    if tools.is_dir():
        (cache / "tools").symlink_to(tools)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def more_rows() -> Words:
    """Rows like those that the page shows."""
    add_rows(Path("mine.jsonl"), 37)
    return {}


@pytest.fixture
def more_conversations() -> Words:
    add_conversations(Path("chat.jsonl"), 38)
    return {}


@pytest.fixture
def more_papers() -> Words:
    """PDFs for the row of labels that the page shows, and for more of them."""
    Path("papers", "a.pdf").write_bytes(replace(PAPERS[0], authors=("Ann Oke",)).pdf())
    write_papers(Path("papers"), 1, 24)
    write_papers(Path("unseen"), 101, 2)
    return {}


@pytest.fixture
def new_adverts(monkeypatch: pytest.MonkeyPatch) -> Words:
    """Rows for the new plugin, which is installed once it is made."""
    add_rows(Path("adverts.jsonl"), 39)
    monkeypatch.syspath_prepend(Path("adverts").absolute())
    return {}


@pytest.fixture
def shown_cases() -> Words:
    """The cases of the page, which shows them without a name."""
    ((_, shown),) = blocks(DOCS / "cases.md", "yaml")
    Path("cases.yaml").write_text(shown, encoding="utf-8")
    return {}
