"""GGUF files that cannot be used are refused; those that can are converted once, and checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import KILLED, Command, Moment, extract
from running_command import RunningCommand, start
from tiny_gguf import TinyGguf, Vocabulary, byte_level
from tiny_model import contents

from fieldsmith.model.gguf import cache_folder, local_folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound GGUF file, which tests copy."""
    file = tmp_path_factory.mktemp("gguf") / "Tiny Model.gguf"
    TinyGguf(storage="Q8_0").write(file)
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture
def file(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(tiny, tmp_path))


def kept(cache: Path) -> list[str]:
    """Return the names of the folders in the cache."""
    return sorted(path.name for path in cache.glob("[!.]*"))


# What is refused: in one line, before anything is written


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])


def cut_off_early(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:2000])


def no_gguf(file: Path) -> None:
    file.write_bytes(b"PK\x03\x04" + bytes(100))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def big_endian(file: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(file, "llama", endianess=gguf.GGUFEndian.BIG)
    writer.add_tensor("token_embd.weight", np.ones((4, 32), np.float32))
    writer.add_string("tokenizer.chat_template", "{{ messages }}")
    writer.add_array("tokenizer.ggml.tokens", ["a"])
    writer.add_uint32("tokenizer.ggml.eos_token_id", 0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def later_part(file: Path) -> None:
    """Write what is in all parts but the first: weights, and which part it is."""
    import gguf

    writer = gguf.GGUFWriter(file, "llama")
    writer.kv_data[0].clear()
    writer.add_uint16("split.no", 2)
    writer.add_uint16("split.count", 3)
    writer.add_tensor("blk.1.attn_norm.weight", np.ones((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def unknown_type(file: Path) -> None:
    """Store the first tensor in a type that came after the package gguf."""
    import gguf

    TinyGguf().write(file)
    info = gguf.GGUFReader(file).tensors[0].field
    name, dimensions = info.parts[0][0], info.parts[2][0]
    at = info.offset + 8 + int(name) + 4 + 8 * int(dimensions)
    content = bytearray(file.read_bytes())
    content[at : at + 4] = (999).to_bytes(4, "little")
    file.write_bytes(content)


def written(**changed: Any) -> Callable[[Path], object]:
    return lambda file: TinyGguf(**changed).write(file)


def without(key: str) -> Callable[[Path], object]:
    entries = {name: value for name, value in byte_level().entries.items() if name != key}
    return written(vocabulary=Vocabulary(entries))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no GGUF": (no_gguf, "is no GGUF file"),
    "empty": (empty, "is no GGUF file"),
    "cut off": (cut_off, "it is cut off or damaged"),
    "cut off in its metadata": (cut_off_early, "it is cut off or damaged"),
    "big-endian": (big_endian, "is a big-endian GGUF file"),
    "a part": (
        written(metadata={"split.count": 3, "split.no": 1}),
        "is part 2 of 3; join the parts first: llama-gguf-split --merge",
    ),
    "a later part": (
        later_part,
        "is part 3 of 3; join the parts first: llama-gguf-split --merge",
    ),
    "a type of weights of the future": (
        unknown_type,
        "stores weights in a type that the package gguf does not know",
    ),
    "no tokenizer": (written(metadata={"tokenizer.ggml.tokens": None}), "contains no tokenizer"),
    "no chat template": (without("chat_template"), "contains no chat template"),
    "no end": (without("ggml.eos_token_id"), "names no token that ends a text"),
    "unknown tokenizer": (
        written(metadata={"tokenizer.ggml.model": "rwkv"}),
        "its tokenizer cannot be built: Cannot build a tokenizer from a GGUF file stating",
    ),
    "unknown architecture": (
        written(metadata={"general.architecture": "invented"}),
        "transformers makes no causal model of the architecture invented: GGUF model with",
    ),
    "metadata of another architecture": (
        written(metadata={"general.architecture": "qwen3"}),
        "the metadata lacks qwen3.block_count",
    ),
    "another size": (
        written(metadata={"llama.feed_forward_length": 256}),
        "weights where the architecture llama, as transformers knows it, has",
    ),
    "a tensor of no known use": (
        written(tensors={"blk.0.adapter.weight": np.ones((4, 32), np.float32)}),
        "weights where the architecture llama, as transformers knows it, has",
    ),
    "weights that are no numbers": (
        written(tensors={"output_norm.weight": np.full(64, np.nan, np.float32)}),
        "the weights of model.norm.weight are not all finite",
    ),
}


def refused_piece(file: Path, ending: str, command: Command, cache: Path) -> str:
    """Return what is said of a piece of a file that was cut."""
    piece = file.rename(file.with_name(file.name + ending))
    answer = command("plan", "--plugin", "medical_ner", "--model", piece)
    assert answer.code == 1
    assert len(answer.errors.splitlines()) == 1
    assert "is a piece of a file that was cut; join the pieces" in answer.errors
    assert kept(cache) == []
    return answer.errors


@pytest.mark.parametrize("ending", ["-split-a", "-split-b", ".split-aa"])
def test_pieces_with_letters_are_joined_by_the_command_that_is_said(
    ending: str, file: Path, command: Command, cache: Path
) -> None:
    file = file.rename(file.with_name("it's a model.gguf"))
    said = refused_piece(file, ending, command, cache)
    join = said.partition("in their order: ")[2]
    piece = file.with_name(file.name + ending)
    piece.with_name(piece.name[:-1] + "c").write_bytes(b" and the rest")
    subprocess.run(join, shell=True, check=True, cwd=file.parent)
    assert file.read_bytes() == piece.read_bytes() + b" and the rest"


@pytest.mark.parametrize("ending", [".part1of2", ".part10of12", "-split-10"])
def test_pieces_with_numbers_are_joined_by_number(
    ending: str, file: Path, command: Command, cache: Path
) -> None:
    said = refused_piece(file, ending, command, cache)
    assert f"in the order of their numbers, to {file.name}" in said
    assert "*" not in said  # a shell puts 10 before 2


@pytest.mark.parametrize(("make", "fault"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_used_is_refused(
    make: Callable[[Path], object], fault: str, file: Path, command: Command, cache: Path
) -> None:
    make(file)
    answer = command("base", file)
    assert answer.code == 1
    assert answer.output == ""
    *_said, line = answer.errors.splitlines()
    assert line.startswith(f"extract: error: model {file}: ")
    assert fault in line
    assert "Traceback" not in answer.errors
    assert kept(cache) == []
    assert not list(cache.glob(".*.new"))


def test_what_cannot_be_dequantised_is_refused(file: Path, command: Command) -> None:
    import gguf

    # A type that files have and the library cannot read as numbers.
    file.unlink()
    weights = np.ones((4, 32), np.int8)
    make = TinyGguf()
    plain = file.with_name("plain.gguf")
    make.write(plain)
    reader = gguf.GGUFReader(plain)
    writer = gguf.GGUFWriter(file, "llama")
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            kind = field.types[0]
            sub_type = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), kind, sub_type=sub_type)
    writer.add_tensor("token_embd.weight", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    answer = command("base", file)
    assert answer.code == 1
    assert "stores token_embd.weight as I8, which cannot be dequantised" in answer.errors


def test_a_missing_file_and_an_unknown_name_are_refused(
    tmp_path: Path, command: Command, cache: Path
) -> None:
    missing = tmp_path / "missing.gguf"
    answer = command("base", missing)
    assert (answer.code, answer.output) == (1, "")
    assert answer.errors == (
        f"extract: error: model {missing}: no such file, "
        f"and no earlier conversion of it in {cache}\n"
    )
    answer = command("base", "smollm3")
    assert answer.code == 1
    assert "no model is called 'smollm3': name smollm2, or a GGUF file" in answer.errors


def test_a_missing_package_is_told(
    file: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    answer = command("base", file)
    assert answer.code == 1
    assert "pip install 'fieldsmith[gguf]'" in answer.errors.splitlines()[-1]


# What is converted, and used again


def test_a_file_is_converted_once(file: Path, command: Command, cache: Path) -> None:
    first = command("base", file)
    assert first.code == 0, first.errors
    folder = Path(first.output.splitlines()[-1])
    assert folder.parent == cache
    made = contents(folder)
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} < set(made)
    assert b"Licence, as the source states it: mit" in made["README.md"]
    again = command("base", file)
    assert (again.code, again.output, again.errors) == (0, first.output, "")
    assert contents(folder) == made


def test_a_file_is_known_by_its_content(file: Path, cache: Path) -> None:
    folder = local_folder(str(file))
    moved = file.rename(file.with_name("elsewhere.gguf"))
    assert local_folder(str(moved)) == folder
    assert local_folder(str(file)) == folder  # where it was before
    TinyGguf(storage="Q4_1").write(file)
    assert local_folder(str(file)) != folder
    assert len(kept(cache)) == 2


def test_a_folder_survives_its_file(file: Path, cache: Path) -> None:
    folder = local_folder(str(file))
    file.unlink()
    assert local_folder(str(file)) == folder
    assert folder is not None
    (folder / "config.json").unlink()
    with pytest.raises(Exception, match="no such file, and no earlier conversion"):
        local_folder(str(file))


def damage(path: Path) -> None:
    """Change a byte, and leave size and time."""
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize(
    "act",
    [
        damage,
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.unlink(),
        lambda path: (path.parent / "conversion.json").write_text("{"),
    ],
    ids=["a changed byte", "cut off", "missing", "no record"],
)
def test_a_damaged_folder_is_made_anew(
    act: Callable[[Path], object], file: Path, command: Command
) -> None:
    folder = Path(command("base", file).output.strip())
    made = contents(folder)
    act(folder / "model.safetensors")
    answer = command("base", file)
    assert answer.code == 0
    assert f"{folder}: damaged, or of another version; it is made anew" in answer.errors
    ours, theirs = contents(folder), dict(made)
    for files in (ours, theirs):
        files.pop("conversion.json")  # holds times
    assert ours == theirs


def test_two_at_once_make_one_folder(
    file: Path, cache: Path, tmp_path: Path, commands: list[RunningCommand]
) -> None:
    commands += [start(tmp_path, "base", file) for _ in range(2)]
    answers = [running.ended() for running in commands]
    assert [answer.code for answer in answers] == [0, 0], answers
    assert answers[0].output == answers[1].output
    assert len(kept(cache)) == 1
    assert sum("converting to a model folder" in answer.errors for answer in answers) == 1


def test_a_killed_conversion_leaves_nothing_in_the_way(file: Path, cache: Path) -> None:
    killed = extract("base", file, kill=Moment("open", "conversion.json.new"))
    assert killed.code == KILLED
    assert kept(cache) == []
    answer = extract("base", file)
    assert answer.code == 0, answer.errors
    (name,) = kept(cache)
    assert answer.output == f"{cache / name}\n"
    assert not list(cache.glob(".*.new"))
    said = answer.errors.splitlines()  # nothing of the libraries
    assert said[0] == f"{file.name}: converting to a model folder, once: {cache / name}"
    assert [line.partition(" tensors")[0] for line in said[1:]] == ["converting: 21/21"]


def test_an_output_folder_is_made_and_never_overwritten(
    file: Path, command: Command, tmp_path: Path, cache: Path
) -> None:
    output = tmp_path / "models" / "tiny"
    answer = command("base", file, "--output", output)
    assert (answer.code, answer.output) == (0, f"{output}\n")
    assert kept(cache) == []
    made = contents(output)
    again = command("base", file, "--output", output)
    assert (again.code, again.errors) == (0, "")
    damage(output / "model.safetensors")
    refused = command("base", file, "--output", output)
    assert refused.code == 1
    assert f"{output}: exists already; choose another --output" in refused.errors
    assert set(contents(output)) == set(made)
