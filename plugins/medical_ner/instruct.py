"""Read instruct JSONL: three prompts for each abstract, each answered by a list of items.

::

    {"prompt": "The following article contains technical terms including diseases, drugs and
     chemicals. Create a list only of the chemicals mentioned.\\n\\nABSTRACT\\n\\nList of extracted
     chemicals:\\n", "completion": "- lidocaine\\n- sodium"}

The other two ask for ``diseases`` and for ``influences between the chemicals and diseases``, and
the last is answered by ``- Chemical lidocaine influences disease asystole`` or, in later versions,
``- lidocaine | asystole``. The prompts of one abstract become one document; a field without a
prompt is not annotated. Such data was split by prompt, so one abstract may occur in several splits:
it is yielded once for each split, so that the check for leaks finds it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from fieldsmith import Document, Example, Record, Reject, SourceFile, read_text

from .json_values import parsed
from .occurrences import Span, longest_occurrences, occurrences

_PROMPT = re.compile(
    r"The following article [^\n]*list only of the (chemicals|diseases|influences)\b[^\n]*"
    r"\n\n(?P<abstract>.+)\n\nList of extracted \1:\s*",
    re.DOTALL,
)
_FIELDS = {"chemicals": "chemicals", "diseases": "diseases", "influences": "relations"}
_SENTENCE = re.compile(r"Chemical (.+?) influences disease (.+)")
_PAIR = re.compile(r"(.+?) \| (.+)")


@dataclass(frozen=True)
class _Row:
    """One prompt: its abstract, the field that it asks for, and the items of the answer."""

    field: str
    abstract: str
    items: tuple[str, ...]
    split: str | None
    place: str


def examples(files: Iterable[SourceFile]) -> Iterator[Example | Reject]:
    """Yield the abstracts of all files, in order of first occurrence, once for each split.

    A record has the fields that its abstract has prompts for, in any split. A row whose prompt or
    answer does not have the form above, and an abstract with two answers to one prompt, become a
    Reject. It has the abstract as its document unless another row yields that.

    Raises:
        InputError: a file cannot be read.
    """
    rows_by_abstract: dict[str, list[_Row]] = {}
    rejects: list[Reject] = []
    for file in files:
        for row in _rows(file):
            if isinstance(row, Reject):
                rejects.append(row)
            else:
                rows_by_abstract.setdefault(row.abstract, []).append(row)
    yielded = set(rows_by_abstract)
    for reject in rejects:
        text = reject.document.text if reject.document else ""
        yield replace(reject, document=None) if text in yielded else reject
        yielded.add(text)
    for abstract, rows in rows_by_abstract.items():
        yield from _abstract_examples(abstract, rows)


def _rows(file: SourceFile) -> Iterator[_Row | Reject]:
    for number, line in enumerate(read_text(file.path).split("\n"), start=1):
        if line.strip():
            yield _row(line, file.split, f"{file.path}:{number}")


def _row(source_line: str, split: str | None, place: str) -> _Row | Reject:
    try:
        prompt, completion = _prompt_and_completion(source_line)
    except ValueError as error:
        return Reject(place, "", str(error))
    try:
        (prompt + completion).encode()
    except UnicodeEncodeError:
        return Reject(place, "", "contains half a surrogate pair, which is no text")
    asked = _PROMPT.fullmatch(prompt)
    if asked is None:
        reason = "the prompt is cut or of another shape: it must end with 'List of extracted …:'"
        return Reject(place, "prompt", reason)
    field = _FIELDS[asked[1]]
    # A lone dash is how an empty list was written.
    lines = [item.strip() for item in completion.split("\n") if item.strip() not in ("", "-")]
    items = tuple(item.removeprefix("- ").strip() for item in lines)
    for line, item in zip(lines, items, strict=True):
        if not line.startswith("- ") or (field == "relations" and _relation(item) is None):
            form = "- chemical | disease" if field == "relations" else "- item"
            reason = f"{line[:60]!r} is no item of the list; write {form!r}"
            document = _document(asked["abstract"])
            return Reject(place, field, reason, document.id, document)
    return _Row(field, asked["abstract"], items, split, place)


def _prompt_and_completion(line: str) -> tuple[str, str]:
    """Return the two strings of a row.

    Raises:
        ValueError: it is not a JSON object with both.
    """
    try:
        row = parsed(line)
    except ValueError as error:
        raise ValueError(f"broken JSON: {error}; each line must be one object") from error
    keys = row if isinstance(row, dict) else {}
    prompt, completion = keys.get("prompt"), keys.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        raise ValueError("an object with the strings 'prompt' and 'completion' is wanted")
    return prompt, completion


def _document(abstract: str) -> Document:
    digest = hashlib.sha256(abstract.encode()).hexdigest()
    return Document(f"abstract-{digest[:12]}", abstract)


def _relation(item: str) -> tuple[str, str] | None:
    found = _SENTENCE.fullmatch(item) or _PAIR.fullmatch(item)
    return (found[1].strip(), found[2].strip()) if found else None


def _abstract_examples(abstract: str, rows: Sequence[_Row]) -> Iterator[Example | Reject]:
    document = _document(abstract)
    answers: dict[str, tuple[str, ...]] = {}
    for row in rows:
        if answers.setdefault(row.field, row.items) != row.items:
            reason = f"a second, different answer to the prompt for {row.field}; keep one"
            yield Reject(row.place, row.field, reason, document.id, document)
            return
    record, mentions = _record(abstract, answers)
    for split, place in _first_places(rows).items():
        yield Example(document, record, mentions, split, place)


def _first_places(rows: Sequence[_Row]) -> dict[str | None, str]:
    places: dict[str | None, str] = {}
    for row in rows:
        places.setdefault(row.split, row.place)
    return places


def _record(
    text: str, answers: dict[str, tuple[str, ...]]
) -> tuple[Record, dict[str, tuple[Span, ...]]]:
    record: Record = {}
    mentions: dict[str, tuple[Span, ...]] = {}
    for field in ("chemicals", "diseases"):
        if field not in answers:
            continue
        record[field] = _names(text, answers[field])
        for number, spans in enumerate(longest_occurrences(record[field], text).values()):
            if spans:
                mentions[f"/{field}/{number}"] = tuple(spans)
    if "relations" not in answers:
        return record, mentions
    pairs: dict[tuple[str, str], dict[str, str]] = {}
    for item in answers["relations"]:
        chemical, disease = _relation(item) or ("", "")
        names = {"chemical": _as_in(text, chemical), "disease": _as_in(text, disease)}
        pairs.setdefault((chemical.casefold(), disease.casefold()), names)
    record["relations"] = list(pairs.values())
    for number, names in enumerate(record["relations"]):
        for end, name in names.items():
            if found := tuple(occurrences(name, text)):
                mentions[f"/relations/{number}/{end}"] = found
    return record, mentions


def _names(text: str, items: Iterable[str]) -> list[str]:
    """Return the distinct names in the order of the text; names that are not in it come last."""
    distinct: dict[str, str] = {}
    for item in items:
        distinct.setdefault(item.casefold(), _as_in(text, item))

    def first_place(name: str) -> Span:
        return next(occurrences(name, text), (len(text), 0))

    return sorted(distinct.values(), key=first_place)


def _as_in(text: str, name: str) -> str:
    first = next(occurrences(name, text), None)
    return text[slice(*first)] if first else name
