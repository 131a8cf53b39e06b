"""Inputs by their address are read as files are, and nothing says where their copies were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from invented_plugins import NAMES, plugin_of

from fieldsmith import InputError
from fieldsmith.data import Reject
from fieldsmith.dataset.inputs import open_inputs
from fieldsmith.dataset.remote_inputs import copied_here


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    (folder / "deep").mkdir(parents=True)
    rows = [{"id": "a", "text": "One."}, {"id": "b", "text": 5}, {"id": "c", "text": "Two."}]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "rows.jsonl").write_text(text)
    (folder / "deep" / "note.txt").write_text("A note.")
    (folder / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    return folder


@pytest.mark.parametrize("name", ["", "rows.jsonl", "deep"])
def test_documents_are_those_of_the_files(folder: Path, name: str) -> None:
    plugin = plugin_of(NAMES)
    path, address = folder / name, (folder / name).as_uri()
    with open_inputs(plugin, [str(path)]) as here, open_inputs(plugin, [address]) as there:
        expected, found = list(here), list(there)
        assert [row.id for row in found] == [row.id for row in expected]
        for one, other in zip(found, expected, strict=True):
            if isinstance(one, Reject) and isinstance(other, Reject):
                assert one.reason == other.reason.replace(str(path), address)
            else:
                assert one == other
        again = there.sha256
    with open_inputs(plugin, [address]) as there:
        assert there.sha256 == again, "so that an interrupted output is resumed"


def test_copies_are_deleted(folder: Path) -> None:
    with copied_here([folder.as_uri(), "notes.txt"]) as copies:
        (path, local) = copies.paths
        assert local == "notes.txt"
        assert (Path(path) / "deep" / "note.txt").read_text() == "A note."
    assert not Path(path).exists()


def test_keys_in_an_address_are_not_shown(folder: Path) -> None:
    with pytest.raises(InputError) as caught, copied_here(["s9://me:secret@bucket/x"]):
        pass
    assert str(caught.value).startswith("s9://bucket/x: cannot be read: ")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.jsonl", "../../missing"])
def test_what_is_missing_is_one_line(folder: Path, name: str) -> None:
    address = f"{folder.as_uri()}/{name}"
    with pytest.raises(InputError) as caught, open_inputs(plugin_of(NAMES), [address]):
        pass
    assert "\n" not in str(caught.value)
