"""A run is pushed to a hub as a model that answers as the run does, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import Answer
from forked_command import read_hub_variables, run_forked
from plain_answers import TIE, module_of, plain_answer, tie_at_first_difference
from tiny_families import CausalRun
from tiny_model import Trained
from writable_hub import TOKEN, USER, Fault, Repository, WritableHub, serving

from fieldsmith import Document
from fieldsmith.errors import RunError
from fieldsmith.exporting.hub_card import licence_of, texts_for_hub
from fieldsmith.exporting.hub_files import Upload, collect
from fieldsmith.extraction.extractor import Extractor, checked_task
from fieldsmith.runs.folder import Run

TEXT = "Aspirin and rash.\nAspirin was given to 12 patients. Aspirin caused rash in 3 patients."


def environment(hub: WritableHub, home: Path, token: str = TOKEN) -> dict[str, str]:
    """Return the variables of a command that speaks to a hub."""
    chosen = {"HF_ENDPOINT": hub.address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0"}
    chosen |= {"HF_HUB_DISABLE_XET": "1"} | ({"HF_TOKEN": token} if token else {})
    return chosen


def online(hub: WritableHub, home: Path, order: Sequence[object], token: str = TOKEN) -> Answer:
    """Run a command against a hub."""
    answer = run_forked(
        order, environment=environment(hub, home, token), prepare=read_hub_variables
    )
    assert TOKEN not in answer.output + answer.errors
    return answer


def several(
    hub: WritableHub, home: Path, orders: Sequence[Sequence[object]], token: str = TOKEN
) -> list[Answer]:
    """Run some commands one after the other."""
    return [online(hub, home, order, token) for order in orders]


def last_line(answer: Answer) -> str:
    assert answer.code == 1
    assert "Traceback" not in answer.errors
    return answer.errors.splitlines()[-1].removeprefix("extract: error: ")


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with serving(WritableHub()) as served:
        yield served


def downloaded(hub: WritableHub, repository: str, folder: Path) -> Path:
    """Write what the hub has to a folder, as a download does."""
    folder.mkdir()
    for name, content in hub.repositories[repository].files.items():
        (folder / name).write_bytes(content)
    return folder


def texts_of(run: CausalRun) -> set[str]:
    """Return the lines of the documents that the run has read, and their ids."""
    lines = {
        line.partition("|t|")[2] or line.partition("|a|")[2]
        for file in (run.folder / "corpus").iterdir()
        for line in file.read_text(encoding="utf-8").splitlines()
    }
    return {line for line in lines if line}


def test_an_adapter_is_pushed_and_answers_as_the_run(
    causal: CausalRun, hub: WritableHub, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    order = ("push", causal.run, "--repo", "tiny", "--json")
    done = online(hub, tmp_path / "home", order)
    assert done.code == 0, done.errors
    assert done.errors.splitlines()[-1] == f"{hub.address}/{USER}/tiny"
    told, repository = json.loads(done.output), hub.repositories[f"{USER}/tiny"]
    assert told["private"] is repository.private is True
    assert told["commit"] == repository.head
    files = {name: content for name, content in repository.files.items() if name[0] != "."}
    assert {each["path"] for each in told["files"]} == files.keys()
    for each in told["files"]:
        assert each["size"] == len(files[each["path"]])
        assert each["sha256"] == hashlib.sha256(files[each["path"]]).hexdigest()
    assert files.keys() == {
        *("README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"),
        *("grammar.lark", "LICENSE", "push.json", "receipt.json", "schema.json"),
        *("tokenizer.json", "tokenizer_config.json"),
    }
    for name in ("adapter_model.safetensors", "tokenizer.json", "chat_template.jinja"):
        assert files[name] == (causal.adapter / name).read_bytes()

    received = hub.received()
    texts = texts_of(causal)
    assert len(texts) > 40
    for private in (*texts, str(causal.folder), str(causal.folder.parent), TOKEN, "corpus"):
        assert private.encode() not in received, private

    card = ModelCard(files["README.md"].decode())
    data: Any = card.data
    assert (data.library_name, data.license, data.pipeline_tag) == (
        "peft",
        "mit",
        "text-generation",
    )
    scores = Run.open(causal.run).metrics()["test"]
    told_f1 = {each.metric_name: each.metric_value for each in data.eval_results}
    assert told_f1["chemicals/f1"] == round(scores["metrics"]["chemicals/f1"]["value"], 4)
    assert told_f1["score"] == round(scores["score"], 4)
    shown = scores["metrics"]["diseases/f1"]
    assert f"{shown['value']:.3f} ({shown['low']:.3f} to {shown['high']:.3f})" in card.text
    assert str(Run.open(causal.run).data_hash()) in card.text
    assert "24 for training, 10 for validation" in card.text

    from peft import PeftModel

    folder = downloaded(hub, f"{USER}/tiny", tmp_path / "copy")
    script = module_of(folder)
    assert script.BASE == "model"
    script.BASE = str(causal.folder / "model")
    model = script.load(folder)
    assert isinstance(model, PeftModel)
    answer = plain_answer(script, model, folder, TEXT)
    extractor = Extractor.load(causal.run, min_confidence=0.0)
    (_number, own), *_rest = extractor.answer_windows([Document("d", TEXT)])
    assert own.text
    apart = tie_at_first_difference(answer, extractor.vocabulary.tokenize(own.text.encode()))
    assert apart is None or apart < TIE


def test_a_dry_run_asks_nothing_and_needs_no_token(
    causal: CausalRun, hub: WritableHub, tmp_path: Path
) -> None:
    orders = [("push", causal.run, "--dry-run"), ("push", causal.run)]
    done, without_token = several(hub, tmp_path / "home", orders, token="")
    assert done.code == 0, done.errors
    assert hub.requests == []
    assert done.output.splitlines()[-1] == "dry run: nothing was uploaded"
    assert re.search(r"^model-medical_ner-\d{8}_\d{6}: private$", done.output, re.MULTILINE)
    weights = (causal.adapter / "adapter_model.safetensors").stat().st_size
    assert re.search(rf"adapter_model\.safetensors │ +{weights:,} ", done.output)
    assert re.search(r"│ total +│ +[\d,]+ │", done.output)
    said = "there is no access token for the hub; log in with `hf auth login`"
    assert last_line(without_token).startswith(said)


def test_what_the_hub_refuses_is_one_line_and_a_repeated_push_ends_alike(
    causal: CausalRun, hub: WritableHub, tmp_path: Path
) -> None:
    order = ("push", causal.run, "--repo", "tiny")
    faults = [
        (Fault("GET", "whoami", 401), "(401): it does not accept the access token"),
        (Fault("POST", "repos/create", 403, f"no room, {TOKEN}"), "is full; make a token"),
        (Fault("POST", "repos/create", 409, "taken"), "(409): somebody else made"),
        (Fault("GET", "api/models", 500), "(500): try again later"),
        (Fault("POST", "/commit/", 0), "is not reached or broke off"),
        (Fault("", "README.md", -1), "its README.md is not what was sent"),
    ]
    hub.faults = [fault for fault, _said in faults]
    answers = several(hub, tmp_path / "home", [*[order] * len(faults), order, order])
    for answer, (fault, said) in zip(answers, faults, strict=False):
        assert said in last_line(answer), fault
    assert [answer.code for answer in answers[-2:]] == [0, 0]
    repository = hub.repositories[f"{USER}/tiny"]
    upload = collect(Run.open(causal.run), None, "tiny", None)
    assert repository.files.keys() == {*upload.files, ".gitattributes"}
    for name, sha256 in upload.hashes.items():
        assert hashlib.sha256(repository.files[name]).hexdigest() == sha256
    assert len(repository.commits) == 3  # made, with other bytes, and mended


def test_no_repository_of_others_is_written_into(
    causal: CausalRun, merged: Path, hub: WritableHub, tmp_path: Path
) -> None:
    refused = [
        (("--repo", "someone/tiny"), "(403): the access token may not write there"),
        (("--repo", "theirs"), "holds something that `extract push` did not put there"),
        (("--repo", "tiny", "--public"), "is private already, which a push does not change"),
        (("--repo", "a name"), "--repo: Repo id must"),
        (("--merged", causal.folder / "model"), "was not made by `extract merge`"),
    ]
    orders = [("push", causal.run, *chosen) for chosen, _said in refused]
    earlier = {
        "push.json": b'{"fieldsmith": "0.1.0", "files": ["adapter_config.json"]}',
        "adapter_config.json": b"{}",
    }
    hub.repositories[f"{USER}/theirs"] = theirs = _repository({"model.bin": b"mine"})
    hub.repositories[f"{USER}/tiny"] = ours = _repository({**earlier, "picture.png": b"by hand"})
    last = ("push", causal.run, "--repo", "tiny", "--merged", merged)
    *answers, done = several(hub, tmp_path / "home", [*orders, last])
    for answer, (_chosen, said) in zip(answers, refused, strict=True):
        assert said in last_line(answer)
    assert theirs.files == {"model.bin": b"mine"}
    assert len(hub.repositories) == 2
    assert done.code == 0, done.errors
    assert "model.safetensors" in ours.files
    assert "adapter_config.json" not in ours.files
    assert ours.files["picture.png"] == b"by hand"


def _repository(files: dict[str, bytes]) -> Repository:
    made = Repository(private=True)
    made.commit(files)
    return made


@pytest.mark.slow
def test_a_merged_model_is_asked_by_the_command_of_its_card(
    causal: CausalRun, merged: Path, hub: WritableHub, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    card = collect(Run.open(causal.run), merged, "whole", None).files["README.md"]
    assert isinstance(card, bytes)
    found = re.search(r"^    extract (predict INPUT(?:.*\\\n)*.*)$", card.decode(), re.MULTILINE)
    assert found is not None
    names = {"INPUT": tmp_path / "text.txt", "MODEL": f"{USER}/whole"}
    ask = [names.get(each, each) for each in shlex.split(found[1].replace("\\\n", " "))]
    order = ("push", causal.run, "--repo", "whole", "--merged", merged, "--public")
    ask += ["--output", tmp_path / "records.jsonl"]
    done, asked = several(hub, tmp_path / "home", [order, ask])
    assert (done.code, asked.code) == (0, 0), done.errors + asked.errors
    repository = hub.repositories[f"{USER}/whole"]
    assert not repository.private
    assert repository.files["README.md"] == card
    assert b"library_name: transformers" in card
    assert repository.files["model.safetensors"] == (merged / "model.safetensors").read_bytes()
    assert str(causal.folder.parent).encode() not in hub.received()
    line = json.loads((tmp_path / "records.jsonl").read_text(encoding="utf-8"))
    own = Extractor.load(causal.run, min_confidence=0.0)(TEXT)
    assert line["record"] == own.record


def test_a_base_model_of_the_hub_is_named_with_its_commit(
    causal: CausalRun, tmp_path: Path
) -> None:
    from huggingface_hub import ModelCard

    task = checked_task(Run.open(causal.run))
    copy = Run(Path(shutil.copytree(causal.run, tmp_path / "run")))
    base = {"name": "people/tiny", "commit": "a" * 40}
    copy.update(base_model=base)
    card = ModelCard(texts_for_hub(copy, task, "mine", "adapter", "", {})["README.md"].decode())
    data: Any = card.data
    assert (data.base_model, data.base_model_relation) == ("people/tiny", "adapter")
    assert f"BASE, COMMIT = 'people/tiny', '{'a' * 40}'" in card.text
    for folder, licence in ((None, "https://huggingface.co/people/tiny"), (tmp_path, "LICENSE")):
        settings = replace(task.settings, model=str(folder or "people/tiny"))
        (tmp_path / "LICENSE").write_text("Of the base model.", encoding="utf-8")
        assert licence_of(settings, base)["license_link"] == licence


def test_the_card_counts_each_document_that_other_data_has_once(
    causal: CausalRun, tmp_path: Path
) -> None:
    task = checked_task(Run.open(causal.run))
    copy = Run(Path(shutil.copytree(causal.run, tmp_path / "run")))
    leak = {"held_out": "validation", "other": "train", "ids": ["a", "b"], "total": 9}
    leaks = [leak, {**leak, "other": "news_json: train", "ids": ["b", "c"]}]
    copy.update(data={**copy.info()["data"], "leaks": leaks})
    card = texts_for_hub(copy, task, "mine", "adapter", "", {})["README.md"].decode()
    assert "another split has 3 of these documents" in card


def test_the_card_of_a_run_with_prefix_attention_says_who_answers_worse(trained: Trained) -> None:
    upload = collect(Run.open(trained.run), None, None, None)
    card = _text(upload, "README.md")
    assert "answer worse than `extract predict`" in " ".join(card.split())
    assert "are not in this repository" in card
    assert "gazetteer.json" not in upload.files
    assert "schema.json" not in upload.files


def _text(upload: Upload, name: str) -> str:
    content = upload.files[name]
    return content.decode() if isinstance(content, bytes) else content.read_text(encoding="utf-8")


def test_what_is_damaged_or_private_is_refused(
    causal: CausalRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    def refused(run: Path, said: str, token: str | None = None) -> None:
        with pytest.raises(RunError) as caught:
            collect(Run.open(run), None, None, token)
        assert said in str(caught.value)

    def copied(name: str) -> Path:
        return Path(shutil.copytree(causal.run, tmp_path / name))

    changed = copied("changed")
    weights = changed / "adapter" / "adapter_model.safetensors"
    tensors = load_file(weights)
    tensors[next(iter(tensors))][0, 0] = torch.nan
    save_file(tensors, weights, {"format": "pt"})
    refused(changed, "it has changed since the training")
    _accept(changed)
    refused(changed, "is not finite")

    unfinished = copied("unfinished")
    shutil.rmtree(unfinished / "adapter")
    refused(unfinished, "the training has not ended")

    monkeypatch.setattr(socket, "gethostname", lambda: "laptop-7")
    private_texts = {
        "path": str(causal.folder / "model"),
        "token": TOKEN,
        "home": os.path.expanduser("~/notes"),
        "host": "laptop-7",
    }
    for name, private in private_texts.items():
        telling = copied(name)
        file = telling / "adapter" / "tokenizer_config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**config, "note": f"see {private}"}), encoding="utf-8")
        _accept(telling)
        said = "holds the access token" if name == "token" else "holds a path or a name"
        refused(telling, f"tokenizer_config.json: {said}", TOKEN)


def _accept(run: Path) -> None:
    """Write the hashes of an adapter's files into its receipt, as if the training had made them."""
    from fieldsmith.runs.integrity import file_hashes

    file, opened = run / "adapter" / "receipt.json", Run.open(run)
    receipt = json.loads(file.read_text(encoding="utf-8"))
    receipt["files"] = file_hashes(opened, opened.adapter)
    file.write_text(json.dumps(receipt), encoding="utf-8")
