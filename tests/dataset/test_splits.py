"""Every row ends in one place, and no document on two sides of a split."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldsmith.data import SPLITS, Document, Example, Ratio, Record, Reject
from fieldsmith.dataset.splits import (
    Leak,
    Splits,
    describe_leak,
    fingerprint,
    hash_split,
    parse_ratio,
    split_documents,
)
from fieldsmith.errors import InputError, LeakError

RECORD: Record = {"names": ["a"]}

# One id for each split by hash, so that tests can say where a document would go.
IDS = {hash_split(f"doc-{number}"): f"doc-{number}" for number in range(100)}


def example(
    document_id: str,
    text: str | None = None,
    *,
    record: Record | None = RECORD,
    split: str | None = None,
    place: str = "",
) -> Example:
    text = f"text of {document_id}" if text is None else text
    return Example(Document(document_id, text), record, split=split, place=place)


def ids(examples: tuple[Example, ...]) -> list[str]:
    return [item.document.id for item in examples]


def of(splits: Splits, split: str) -> tuple[Example, ...]:
    found: tuple[Example, ...] = getattr(splits, split)
    return found


# Texts that read the same


def test_a_fingerprint_never_changes() -> None:
    # sha256 of "hello world"; run folders hold such fingerprints for years.
    assert fingerprint("Hello \t\n WORLD ") == "b94d27b9934d3e08"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("The first", "the  FIRST\n"),
        ("ﬁrst", "first"),
        ("Straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\u0390", "\u0390".upper()),
    ],
)
def test_texts_that_read_the_same_have_one_fingerprint(left: str, right: str) -> None:
    assert fingerprint(left) == fingerprint(right)


@pytest.mark.parametrize(
    ("left", "right"), [("a b", "ab"), ("a.", "a"), ("", "a"), ("cafe", "café"), ("1", "2")]
)
def test_other_texts_have_other_fingerprints(left: str, right: str) -> None:
    assert fingerprint(left) != fingerprint(right)


@given(st.text())
def test_the_normal_form_of_a_text_makes_no_difference(text: str) -> None:
    expected = fingerprint(text)
    assert len(bytes.fromhex(expected)) == 8
    for normalised in (unicodedata.normalize("NFD", text), unicodedata.normalize("NFKC", text)):
        assert fingerprint(normalised) == expected


def test_a_lone_surrogate_can_be_split() -> None:
    splits = split_documents([example("\ud800", "a \udfff b")])
    assert sum(len(of(splits, split)) for split in SPLITS) == 1


# Splits by hash


@pytest.mark.parametrize(
    ("document_id", "split"),
    [("doc-5", "train"), ("doc-6", "test"), ("doc-7", "train"), ("doc-21", "validation")],
)
def test_a_hash_split_never_changes(document_id: str, split: str) -> None:
    # From `printf doc-6 | sha256sum`: the first 16 hex digits modulo 10, 8 validation, 9 test.
    assert hash_split(document_id) == split


def test_hash_splits_are_80_10_10() -> None:
    counts = Counter(hash_split(str(number)) for number in range(10_000))
    # Four standard deviations of a binomial: 160 of 8,000, and 120 of 1,000.
    assert counts["train"] == pytest.approx(8000, abs=160)
    assert counts["validation"] == pytest.approx(1000, abs=120)
    assert counts["test"] == pytest.approx(1000, abs=120)


@pytest.mark.parametrize(
    ("text", "ratio"),
    [("80/20", (80, 20, 0)), ("70/15/15", (70, 15, 15)), ("90/0/10", (90, 0, 10))],
)
def test_a_split_ratio_is_what_the_documents_get(text: str, ratio: Ratio) -> None:
    assert parse_ratio(text) == ratio
    counts = Counter(hash_split(str(number), ratio) for number in range(10_000))
    # Over four standard deviations of a binomial, at most 50 each.
    expected = [100 * share for share in ratio]
    assert [counts[split] for split in SPLITS] == pytest.approx(expected, abs=210)


@pytest.mark.parametrize(
    "text", ["80", "80/30", "0/50/50", "80/10/5/5", "-10/110", "a/b", "", "8²/20"]
)
def test_a_split_ratio_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--split-ratio"):
        parse_ratio(text)


def test_documents_are_split_by_the_ratio() -> None:
    rows = [example(str(number)) for number in range(200)]
    splits = split_documents(rows, ratio=(80, 20, 0))
    assert not splits.test
    assert len(splits.train) + len(splits.validation) == 200
    assert {row.document.id for row in splits.validation} == {
        str(number) for number in range(200) if hash_split(str(number), (80, 20, 0)) == "validation"
    }


def test_without_official_splits_the_id_decides() -> None:
    splits = split_documents([example(IDS[split]) for split in SPLITS])
    assert {split: ids(of(splits, split)) for split in SPLITS} == {s: [IDS[s]] for s in SPLITS}
    assert not splits.official
    assert splits.missing == ()
    assert splits.leaks == ()


def test_a_hash_split_that_is_empty_is_not_called_missing() -> None:
    assert split_documents([example(IDS["test"])]).missing == ()


def test_a_split_that_has_a_share_and_no_document_is_empty() -> None:
    few = [example(IDS["train"])]
    assert split_documents(few).empty == ("validation", "test")
    assert split_documents(few, ratio=(80, 20, 0)).empty == ("validation",)
    assert split_documents(few, ratio=(100, 0, 0)).empty == ()
    assert split_documents([*few, example(IDS["test"])]).empty == ("validation",)
    official = [Example(Document("a", "text"), {}, split="train")]
    assert split_documents(official).empty == ()


def test_a_later_copy_of_a_text_follows_the_first() -> None:
    rows = [example(IDS["test"], "One text"), example(IDS["train"], "one  TEXT ")]
    assert ids(split_documents(rows).test) == [IDS["test"], IDS["train"]]
    assert ids(split_documents(rows[::-1]).train) == [IDS["train"], IDS["test"]]


def test_a_text_does_not_follow_a_row_that_was_set_aside() -> None:
    rows = [example(IDS["test"], "one text", record=None), example(IDS["train"], "one text")]
    splits = split_documents(rows)
    assert ids(splits.train) == [IDS["train"]]
    assert splits.test == ()


def test_an_id_is_unique_over_all_hash_splits() -> None:
    # By its text the third row would go to train, by its id it stands in test already.
    rows = [
        example(IDS["train"], "one"),
        example(IDS["test"], "two", place="a.txt:2"),
        example(IDS["test"], "one", place="a.txt:3"),
    ]
    splits = split_documents(rows)
    assert (ids(splits.train), ids(splits.test)) == ([IDS["train"]], [IDS["test"]])
    (reject,) = splits.set_aside
    assert (reject.place, reject.field, reject.id) == ("a.txt:3", "id", IDS["test"])


# What is set aside


def test_rejects_of_the_loader_are_set_aside_as_they_are_and_in_reading_order() -> None:
    reject = Reject("a.txt:1", "/names", "not a list", "x")
    rows: list[Example | Reject] = [
        example("a", " \n\t"),
        reject,
        example("b", record=None, place="a.txt:3"),
    ]
    splits = split_documents(rows)
    assert splits.set_aside == (
        Reject("row 1", "text", "labels without their text, which is empty", "a"),
        reject,
        Reject(
            "a.txt:3",
            "record",
            "no record: give one, or read the document with `extract predict`",
            "b",
        ),
    )


def test_a_row_without_a_record_is_reported_even_if_its_id_is_taken() -> None:
    splits = split_documents([example("a"), example("a", record=None)])
    assert [reject.field for reject in splits.set_aside] == ["record"]


def test_an_empty_record_is_a_record() -> None:
    assert split_documents([example("a", record={})]).set_aside == ()


def test_a_copy_is_set_aside_and_names_the_first() -> None:
    rows = [example("a", "one text", place="x.jsonl:1"), example("a", "One  text", place="y:7")]
    splits = split_documents(rows)
    reason = "a copy of x.jsonl:1: the same id, text and record"
    assert splits.set_aside == (Reject("y:7", "", reason, "a"),)


def test_rows_without_a_place_are_named_by_their_number() -> None:
    splits = split_documents([Reject("x", "", "broken"), example("a"), example("a")])
    assert splits.set_aside[1].place == "row 3"
    assert "a copy of row 2" in splits.set_aside[1].reason


@pytest.mark.parametrize("split", [None, "train", "test"])
@pytest.mark.parametrize(
    ("second", "difference"),
    [({"text": "another"}, "text"), ({"record": {"names": []}}, "record")],
)
def test_an_id_that_is_taken_is_set_aside(
    split: str | None, second: dict[str, str], difference: str
) -> None:
    rows = [
        example("a", split=split, place="x:1"),
        example("a", split=split, place="x:2", **second),  # type: ignore[arg-type]
    ]
    splits = split_documents(rows)
    reason = f"id a is already used at x:1 with another {difference}; ids must be unique"
    assert splits.set_aside == (Reject("x:2", "id", reason, "a"),)
    assert sum(len(of(splits, name)) for name in SPLITS) == 1


# Official splits


def test_official_splits_hold_and_the_rest_is_trained_on() -> None:
    rows = [
        example(IDS["test"], split="train"),
        example(IDS["train"], split="validation"),
        example("other", split="test"),
        example(IDS["validation"]),
    ]
    splits = split_documents(rows)
    assert splits.official
    assert ids(splits.train) == [IDS["test"], IDS["validation"]]
    assert ids(splits.validation) == [IDS["train"]]
    assert ids(splits.test) == ["other"]
    assert splits.missing == ()


def test_one_official_label_at_the_end_makes_all_splits_official() -> None:
    rows = [example(IDS["test"]), example(IDS["validation"]), example("z", split="test")]
    splits = split_documents(rows)
    assert ids(splits.train) == [IDS["test"], IDS["validation"]]
    assert splits.missing == ("validation",)


def test_a_missing_official_split_stays_missing() -> None:
    rows = [example(str(number), split="train") for number in range(100)]
    splits = split_documents(rows)
    assert splits.missing == ("validation", "test")
    assert len(splits.train) == 100


def test_an_official_split_without_a_usable_document_is_missing() -> None:
    rows = [example("a", split="train"), example("b", split="test", record=None)]
    assert split_documents(rows).missing == ("validation", "test")


@pytest.mark.parametrize("label", ["tset", "dev", ""])
def test_an_unknown_split_is_refused_with_its_place(label: str) -> None:
    with pytest.raises(InputError, match=r"^x:3: unknown split .*Known: test, train, validation"):
        split_documents([example("a", split=label, place="x:3")])


def test_the_nearest_split_is_named() -> None:
    with pytest.raises(InputError, match="did you mean test"):
        split_documents([example("a", split="tset")])


# Leaks


def leaking() -> Iterator[Example]:
    """276 of 280 test abstracts are in train; each makes three prompts with ids of their own."""
    for number in range(280):
        for prompt in range(3):
            name = f"{number}-{prompt}"
            yield example(f"test-{name}", f"Abstract {number}", split="test")
            if number >= 4:
                yield example(f"train-{name}", f"abstract  {number}", split="train")


def test_leaks_are_refused_with_their_number_and_ids() -> None:
    with pytest.raises(LeakError) as caught:
        split_documents(leaking())
    message = str(caught.value)
    assert message.startswith("276 of the 280 test documents are also in train (test-4-0, ")
    assert "test-13-0 … and 266 more). " in message
    assert "test-14-0" not in message
    assert "--allow-leaks" in message
    assert "\n" not in message


def test_allowed_leaks_stay_where_they_are() -> None:
    splits = split_documents(leaking(), allow_leaks=True)
    assert (len(splits.train), len(splits.test)) == (276 * 3, 280 * 3)
    (leak,) = splits.leaks
    assert (leak.held_out, leak.other, leak.total) == ("test", "train", 280)
    assert leak.ids == tuple(f"test-{number}-0" for number in range(4, 280))


def test_every_pair_of_splits_is_reported() -> None:
    rows = [
        example("a", "one", split="train"),
        example("b", "one", split="validation"),
        example("c", "one", split="test"),
        example("d", split="test"),
    ]
    assert split_documents(rows, allow_leaks=True).leaks == (
        Leak("validation", "train", ("b",), 1),
        Leak("test", "train", ("c",), 2),
        Leak("test", "validation", ("c",), 2),
    )
    with pytest.raises(LeakError) as caught:
        split_documents(rows)
    assert str(caught.value).startswith(
        "1 of the 1 validation document is also in train (b);"
        " 1 of the 2 test documents is also in train (c);"
        " 1 of the 2 test documents is also in validation (c). "
    )


def test_an_id_in_two_official_splits_is_a_leak_whatever_the_text() -> None:
    rows = [example("a", "one", split="train"), example("a", "two", split="test")]
    with pytest.raises(LeakError, match="1 of the 1 test document is also in train \\(a\\)"):
        split_documents(rows)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_row_without_a_split_must_not_repeat_a_held_out_document(split: str) -> None:
    rows = [example("a", "one", split=split), example("b", "ONE")]
    with pytest.raises(LeakError, match=f"1 of the 1 {split} document is also in train"):
        split_documents(rows)


def test_what_is_set_aside_is_not_trained_on_and_does_not_leak() -> None:
    rows = [example("a", "one", split="test"), example("a", "one", split="train", record=None)]
    splits = split_documents(rows)
    assert splits.leaks == ()
    assert ids(splits.test) == ["a"]


def test_copies_within_a_split_are_no_leak() -> None:
    rows = [example("a", "one", split="test"), example("b", "one", split="test")]
    splits = split_documents(rows)
    assert ids(splits.test) == ["a", "b"]
    assert splits.leaks == ()


@pytest.mark.parametrize(("count", "more"), [(10, ""), (11, " … and 1 more")])
def test_ten_ids_are_shown(count: int, more: str) -> None:
    names = tuple(f"d{number}" for number in range(count))
    line = describe_leak(Leak("test", "train", names, 20))
    shown = ", ".join(names[:10])
    assert line == f"{count} of the 20 test documents are also in train ({shown}{more})"


# Properties


TEXTS = st.sampled_from(["one", "One ", "two", "three", "", " "])
LABELS = st.sampled_from([None, *SPLITS])
RECORDS = st.sampled_from([None, {}, RECORD])


def rows_with(labels: st.SearchStrategy[str | None]) -> st.SearchStrategy[list[Example | Reject]]:
    examples = st.builds(
        lambda document_id, text, record, label: example(
            document_id, text, record=record, split=label
        ),
        st.sampled_from("abcdefghijkl"),
        TEXTS,
        RECORDS,
        labels,
    )
    rejects = st.just(Reject("x", "", "broken"))
    return st.lists(st.one_of(examples, examples, rejects), max_size=25)


def kept(splits: Splits) -> list[Example]:
    return [item for split in SPLITS for item in of(splits, split)]


@given(rows_with(LABELS))
def test_the_counts_balance(rows: list[Example | Reject]) -> None:
    splits = split_documents(iter(rows), allow_leaks=True)
    assert len(kept(splits)) + len(splits.set_aside) == len(rows)
    identities = {id(row) for row in rows}
    assert all(id(item) in identities for item in kept(splits))
    assert all(reject.place and reject.reason for reject in splits.set_aside)
    assert all(
        split not in splits.missing for split in SPLITS if of(splits, split) or not splits.official
    )


@given(rows_with(LABELS))
def test_each_split_is_in_reading_order_and_its_ids_are_unique(
    rows: list[Example | Reject],
) -> None:
    splits = split_documents(rows, allow_leaks=True)
    order = {id(row): number for number, row in enumerate(rows)}
    for split in SPLITS:
        found = of(splits, split)
        assert [order[id(item)] for item in found] == sorted(order[id(item)] for item in found)
        assert len(set(ids(found))) == len(found)
        assert all(item.split in (split, None) for item in found)


@given(rows_with(LABELS))
def test_a_text_or_id_in_two_splits_is_always_refused(rows: list[Example | Reject]) -> None:
    splits = split_documents(rows, allow_leaks=True)
    keys = [
        {key for item in of(splits, split) for key in (item.document.id, text_of(item))}
        for split in SPLITS
    ]
    apart = not (keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])
    assert apart == (splits.leaks == ())
    if not apart:
        with pytest.raises(LeakError):
            split_documents(rows)


@given(rows_with(st.none()))
def test_hash_splits_never_share_a_text_or_an_id(rows: list[Example | Reject]) -> None:
    splits = split_documents(rows)
    where: dict[str, set[str]] = {}
    for split in SPLITS:
        for item in of(splits, split):
            where.setdefault(item.document.id, set()).add(split)
            where.setdefault(text_of(item), set()).add(split)
    assert all(len(found) == 1 for found in where.values())


def text_of(item: Example) -> str:
    return "text: " + item.document.text.strip().casefold()


@given(
    st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=30),
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(10_001, 20_000)),
        unique_by=lambda pair: pair[1],
        max_size=30,
    ),
)
def test_documents_keep_their_split_when_others_come(
    first: list[int], added: list[tuple[int, int]]
) -> None:
    rows = [example(str(number)) for number in first]
    more = list(rows)
    for place, number in added:
        more.insert(place, example(str(number)))
    before, after = split_documents(rows), split_documents(more)
    for split in SPLITS:
        assert set(ids(of(before, split))) <= set(ids(of(after, split)))
    assert after.set_aside == ()
