"""Files: how they are read, and written whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.errors import InputError, OutputError
from fieldsmith.files import (
    check_json,
    decode,
    files_in,
    open_atomically,
    parse_json,
    parse_line,
    read_jsonl,
    read_text,
    readable,
    refuse_input,
    remove_left_over,
    require_output,
    require_writable,
    special,
    split_of,
    write_atomically,
    write_json,
    write_jsonl,
)
from fieldsmith.files.locks import lock_file, locked

BOM = b"\xef\xbb\xbf"


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Read


def test_a_byte_order_mark_goes_and_line_ends_become_one(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(BOM + "é\r\nb\n\r\nc\r".encode())
    assert read_text(file) == "é\nb\n\nc\r"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"one\ntwo\ncaf\xe9\n", "a.txt:3: byte 11 is not UTF-8; convert the file (iconv"),
        (BOM + b"\n\n\xff", "a.txt:3: byte 2 is not UTF-8"),
        (b"a\nb\0c", "a.txt:2: byte 3 is NUL, so this is no text file"),
        ("text".encode("utf-16-le"), "byte 1 is NUL, so this is no text file, or UTF-16"),
        (b"\xff\xfea", "a.txt: byte 2 is not UTF-16-LE, as the byte order mark says"),
        (b"\xfe\xff\xd8\0\0a", "a.txt: byte 2 is not UTF-16-BE"),
        (b"\xed\xa0\x80", "a.txt:1: byte 0 is not UTF-8"),  # half a surrogate pair
    ],
)
def test_what_is_no_text_is_refused_with_its_line(
    tmp_path: Path, data: bytes, message: str
) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    with pytest.raises(InputError) as refusal:
        read_text(file)
    assert message in str(refusal.value)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeffé\r\n\U0001f98a".encode(encoding))
    assert read_text(file) == "é\n\U0001f98a"
    assert read_text(file, as_is=True) == "\ufeffé\r\n\U0001f98a"


def test_a_document_that_is_too_long_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"a" * 20_000_001)
    with pytest.raises(InputError, match=r"a.txt: has more than 20,000,000 characters"):
        read_text(file, as_is=True)
    assert len(read_text(file)) == 20_000_001
    with file.open("wb") as stream:
        stream.truncate(1 << 40)  # is not read: it has no place in memory
    with pytest.raises(InputError, match=r"a.txt: has more than 20,000,000 characters"):
        read_text(file, as_is=True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (read_text, lambda path: next(read_jsonl(path))):
        with pytest.raises(InputError, match=r"gone.jsonl: cannot be read \(No such file"):
            read(tmp_path / "gone.jsonl")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff")))
def test_any_text_is_read_as_it_was_written(text: str) -> None:
    assert decode(text.encode(), "name") == text
    assert decode(BOM + text.encode(), "name") == text


# Folders


def test_the_visible_files_of_a_folder_come_sorted(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.txt", "a/.hidden.txt", ".git/config", "c/.d/e.txt", "B.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    found = [path.relative_to(tmp_path).as_posix() for path in files_in(tmp_path)]
    assert found == ["B.txt", "a/z.txt", "b.txt"]


def test_a_folder_that_cannot_be_listed_is_not_passed_over() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "closed").mkdir()
        (folder / "a.txt").write_text("x")
        folder.chmod(0o755)
        (folder / "closed").chmod(0)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)  # root may list any folder
            with pytest.raises(InputError, match="closed: cannot be read") as error:
                files_in(folder)
        finally:
            if user == 0:
                os.seteuid(0)
            (folder / "closed").chmod(0o755)
        assert "\n" not in str(error.value)


def test_a_hidden_file_or_folder_that_is_named_is_read(tmp_path: Path) -> None:
    folder = tmp_path / ".hidden"
    folder.mkdir()
    file = folder / ".file"
    file.write_text("x")
    assert files_in(file) == [file]
    (folder / "seen").write_text("x")
    assert files_in(folder) == [folder / "seen"]


def test_where_no_file_is_the_reason_is_given(tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    (tmp_path / "empty" / ".hidden").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    for name, reason in [
        ("gone", "no such file or folder"),
        ("empty", "the folder contains no file"),
        ("pipe", "neither a file nor a folder"),
        (
            "A text that was given as if it were a path. " * 20,
            "cannot be read (File name too long)",
        ),
    ]:
        with pytest.raises(InputError) as refusal:
            files_in(tmp_path / name)
        assert reason in str(refusal.value)
        assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("CDR_TrainingSet.PubTator.txt", "train"),
        ("CDR_DevelopmentSet.BioC.xml", "validation"),
        ("NCBItestset_corpus.txt", "test"),
        ("NCBIdevelopset_corpus.txt", "validation"),
        ("NCBItrainset_corpus.txt", "train"),
        ("trainset.txt", "train"),
        ("dev.jsonl", "validation"),
        ("my-valid-2.jsonl", "validation"),
        ("corpus/test/0001.txt", "test"),
        ("test/train.txt", "train"),  # the file's own name goes first
        ("train_and_test.txt", None),
        ("data.txt", None),
        ("latest.txt", None),
        ("contest.jsonl", None),
        ("greatest_hits/a.txt", None),
        ("constraint.txt", None),
        ("developer.txt", None),
        ("restrained_1.txt", None),
    ],
)
def test_a_split_is_recognised_by_whole_words(path: str, split: str | None) -> None:
    assert split_of(Path("latest/test/data") / path, Path("latest/test/data")) == split


def test_a_file_that_is_given_alone_has_no_split() -> None:
    assert split_of(Path("test.txt"), Path("test.txt")) is None


def test_a_file_that_is_called_by_its_document_has_no_split() -> None:
    for path, split in {"a.training.xml": None, "dev/a.training.xml": "validation"}.items():
        assert split_of(Path("data") / path, Path("data"), folder_alone=True) == split


def test_a_name_that_is_no_utf8_can_be_written() -> None:
    name = os.fsdecode(b"caf\xe9.txt")
    assert readable(name).encode() == b"caf?.txt"
    assert readable("café") == "café"


# JSON and its lines


def test_rows_come_with_their_lines_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(BOM + '{"a": "é"}\r\n\n  \n{"b": "x\u2028y"}'.encode())
    assert list(read_jsonl(file)) == [(1, {"a": "é"}), (4, {"b": "x\u2028y"})]


def test_rows_are_read_lazily_up_to_the_broken_one(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"a": 1}\n' * 6 + '{"a": \n' + '{"a": 1}\n')
    rows = read_jsonl(file)
    assert [next(rows)[0] for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    with pytest.raises(InputError, match=r"a\.jsonl:7: not JSON: Expecting value"):
        next(rows)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"[1]", "f:7: a JSON object is wanted, not list"),
        (b"caf\xe9", "f:7: byte 3 is not UTF-8"),
        (b'{"a\0": 1}', "f:7: byte 3 is NUL"),
        (
            '\ufeff{"a": 1}\n'.encode("utf-16-le"),
            "f:7: is UTF-16-LE, and has to be UTF-8; convert it (iconv -f utf-16 -t utf-8)",
        ),
        (b'{"a": NaN}', "f:7: not JSON: NaN is not a JSON number"),
        (b'{"a": 1, "a": 2}', "f:7: not JSON: the key 'a' is given twice; keep one"),
        (b'{"a": ' + b"[" * 100_000, "f:7: not JSON: nested deeper than 64 levels"),
        (b'{"a": 1} {"b": 1}', "f:7: not JSON: Extra data"),
    ],
)
def test_a_line_that_is_no_object_is_refused_with_its_place(line: bytes, reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_line(line, "f", 7)
    assert reason in str(refusal.value)


def test_large_whole_numbers_are_read_exactly() -> None:
    assert parse_json("[12345678901234567890123]") == [12345678901234567890123]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": float("nan")}, "not JSON compliant"),
        (["\ud800"], "half a surrogate pair"),
        ({"a": {1, 2}}, "set is not JSON serializable"),
        ([[]] * 2, None),
        (("a", None, 1.5), None),
    ],
)
def test_what_json_cannot_hold_is_reported(value: object, reason: str | None) -> None:
    if reason is None:
        check_json(value)
    else:
        with pytest.raises(ValueError, match=reason):
            check_json(value)


def test_a_list_in_itself_is_reported() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="nested deeper"):
        check_json(circle)


# Write


def test_a_file_is_written_whole_with_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "c.txt"
    write_atomically(file, "é\n")
    write_atomically(file, b"\xff")
    assert file.read_bytes() == b"\xff"
    assert below(tmp_path) == ["a", "a/b", "a/b/c.txt"]


def test_who_may_read_a_file_is_the_users_choice(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "private", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.txt"
    write_atomically(file, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left"):
        write_atomically(file, "new")
    assert file.read_text() == "old"
    assert below(tmp_path) == ["a.txt"]


def test_a_write_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.txt", "new")
    assert below(tmp_path) == []


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a.txt", tmp_path / "folder"):
        with pytest.raises(OutputError, match=f"{path}: cannot be written"):
            write_atomically(path, "x")
    with pytest.raises(OutputError, match=r"file/inner: cannot be written"):
        require_writable(tmp_path / "file" / "inner")
    assert below(tmp_path) == ["file", "folder"]


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert below(tmp_path) == ["a", "a/b"]


# Special files, links and temporary files


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    full = Path("/dev/full")
    with pytest.raises(OutputError, match=r"/dev/full: cannot be written \(No space left"):
        write_atomically(full, "x")
    assert full.is_char_device()
    link = tmp_path / "link"
    link.symlink_to(full)
    with pytest.raises(OutputError, match=r"link: cannot be written \(No space left"):
        write_jsonl(link, [{}])
    assert link.is_symlink()
    require_output(full)
    assert below(tmp_path) == ["link"]


def test_a_device_of_ones_own_is_written_and_not_replaced(tmp_path: Path) -> None:
    node = tmp_path / "null"
    try:
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        node.open("w").close()
    except OSError:
        pytest.skip("devices cannot be made here")
    write_atomically(node, "x")
    write_json(node, {})
    assert node.is_char_device()
    assert below(tmp_path) == ["null"]


def test_a_pipe_gets_what_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_jsonl(pipe, [{"a": "é"}, {}])
    reader.join(10)
    assert got == ['{"a":"é"}\n{}\n'.encode()]
    assert pipe.is_fifo()
    assert below(tmp_path) == ["pipe"]


def test_a_pipe_that_nobody_reads_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(special, "_READER_WAIT", 0.3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="pipe: cannot be written"):
        write_atomically(tmp_path / "pipe", "x")


def test_an_open_file_is_appended_to() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"before\n")
        file.flush()
        write_atomically(Path(f"/dev/fd/{file.fileno()}"), "after\n")
        file.seek(0)
        assert file.read() == b"before\nafter\n"


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    for name in ("there", "dangling"):
        (tmp_path / name).symlink_to(f"inner/{name}")
    (tmp_path / "inner" / "there").write_text("old")
    for name in ("there", "dangling"):
        write_atomically(tmp_path / name, "new")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "inner" / name).read_text() == "new"
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OutputError, match="circle: cannot be written"):
        write_atomically(tmp_path / "circle", "x")


def test_no_file_that_exists_is_used_as_a_temporary_one(tmp_path: Path) -> None:
    for name in (".a.txt.new", "a.txt.new", "a.txt.tmp", ".0123456789abcdef.b.txt.new"):
        (tmp_path / name).write_text("mine")
    before = below(tmp_path)
    write_atomically(tmp_path / "a.txt", "x")
    assert below(tmp_path) == sorted([*before, "a.txt"])
    assert all((tmp_path / name).read_text() == "mine" for name in before)


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with open_atomically(file) as one, open_atomically(file) as two:
        one.write("one")
        two.write("two")
    assert file.read_text() == "one"  # which was renamed last
    assert below(tmp_path) == ["a.txt"]


def test_what_a_killed_writer_left_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    left, other = (tmp_path / f".0123456789abcdef.{name}.new" for name in ("a.txt", "b.txt"))
    for path in (left, other):
        path.write_text("half")
    write_atomically(tmp_path / "a.txt", "x")
    assert below(tmp_path) == [other.name, "a.txt"]


def test_what_a_process_is_writing_stays(tmp_path: Path) -> None:
    with open_atomically(tmp_path / "a.txt") as stream:
        (writing,) = below(tmp_path)
        remove_left_over(tmp_path)
        assert below(tmp_path) == [writing]
        stream.write("x")
    assert below(tmp_path) == ["a.txt"]


def test_what_killed_writers_left_is_recognised(tmp_path: Path) -> None:
    for name in (".0123456789abcdef.a.txt.new", ".0123456789abcdef.b.txt.new", ".c.new", "d.new"):
        (tmp_path / name).write_text("")
    remove_left_over(tmp_path, "a.txt")
    assert below(tmp_path) == [".0123456789abcdef.b.txt.new", ".c.new", "d.new"]
    remove_left_over(tmp_path)
    assert below(tmp_path) == [".c.new", "d.new"]


def test_a_path_with_a_nul_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\0b"
    for write in (require_output, lambda path: write_atomically(path, "x")):
        with pytest.raises(OutputError, match="cannot be written"):
            write(path)
    with pytest.raises(InputError, match="no such file"):
        files_in(path)


def test_one_file_by_two_names_is_one(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("x")
    (tmp_path / "hard").hardlink_to(file)
    (tmp_path / "soft").symlink_to(file)
    for name in ("hard", "soft", "a.txt", "../" + tmp_path.name + "/a.txt"):
        with pytest.raises(OutputError, match="is the input"):
            refuse_input(tmp_path / name, file)
    refuse_input(tmp_path / "b.txt", file)


# Locks

_HOLD = """
import sys, time
from pathlib import Path
from fieldsmith.files.locks import locked
with locked(Path(sys.argv[1]), "busy"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match=r"a\.txt: busy"), locked(file, "busy"):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert lock_file(file).exists()  # the file is, and the lock is not
    with locked(file, "busy"):
        assert lock_file(file).exists()
    assert below(tmp_path) == []


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    lock_file(tmp_path / "a").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="cannot be locked"), locked(tmp_path / "a", "busy"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"


def test_json_is_written_as_text_a_person_reads(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "é", "a": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == (
        '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'
    )
    write_jsonl(tmp_path / "a.jsonl", [{"b": "line\nbreak"}, [1, 2]])
    assert (tmp_path / "a.jsonl").read_text() == '{"b":"line\\nbreak"}\n[1,2]\n'
    write_jsonl(tmp_path / "none.jsonl", [])
    assert (tmp_path / "none.jsonl").read_bytes() == b""


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), open_atomically(path) as stream:
        stream.write(f"new {1 / 0}")
    assert [file.name for file in tmp_path.iterdir()] == ["chat.jsonl"]
    assert path.read_text(encoding="utf-8") == "old"
    with pytest.raises(OutputError), open_atomically(path / "below"):
        pass
