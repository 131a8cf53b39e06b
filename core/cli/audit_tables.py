"""An audit on the terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..dataset.audit import fates, histogram, kind_of
from ..dataset.chat_export import pieces
from ..dataset.duplicates import Twin, tally
from ..dataset.issues import EXAMPLES
from . import printable

if TYPE_CHECKING:
    from ..dataset.audit import Audit
    from ..model.prompts import PromptFormat
    from ..windows.rows import DocumentRows, Reading

_OFTEN = "values that dominate"
_FATE = "learned in window, or why not"
_BAR = 40  # characters of the longest bar
_SHOWN = 60  # characters of a value
_STYLES = {"prompt": "cyan", "answer": "green", "control": "reverse dim"}
_FAULTS = {
    "schema": "what remains of the record breaks the schema",
    "length": "prompt and answer exceed max_length",
    "grammar": "the grammar refuses the answer",
}


def print_audit(audit: Audit, prompts: PromptFormat) -> None:
    """Print an audit, one example as the model reads it, and last what was found."""
    console = _console()
    _documents(console, audit)
    if audit.document:
        _lengths(console, audit)
        _windows(console, audit)
        _gold(console, audit)
        _unlearnable(console, audit)
        _fields(console, audit)
    _duplicates(console, audit)
    if audit.sample:
        sample = audit.sample
        number = next(n for n in sorted(sample.trained) if _teaches(sample, n))
        _title(console, f"as the model reads it: {sample.example.document.id}")
        _reading(console, sample.readings[number], number, len(sample.readings), prompts)
    _findings(console, audit)


def print_document(made: DocumentRows, prompts: PromptFormat) -> None:
    """Print the windows of a document as the model reads them, and what became of its gold."""
    console = _console()
    for number, reading in enumerate(made.readings):
        _reading(console, reading, number, len(made.readings), prompts)
    table = _table("", _FATE)
    for fate in fates(made):
        windows = ", ".join(map(str, fate.windows))
        table.add_row(_safe(fate.pointer), _safe(windows or fate.reason))
    console.print(table)


def _console() -> Console:
    # Wide enough to be whole in a file or a pipe, where there is no terminal to ask.
    width = None if sys.stdout.isatty() else 100
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _say(console: Console, line: str | Text) -> None:
    """Print a line that is not broken: a path or an id can be found in it."""
    console.print(line, soft_wrap=True)


def _title(console: Console, words: str) -> None:
    console.print(Text(f"\n{printable(words)}", "bold"))


def _safe(text: object) -> str:
    return printable(str(text))


def _shortened(text: object) -> str:
    shown = _safe(text)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"


def _table(*columns: str) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        is_text = number == 0 or column in ("", _FATE, _OFTEN)
        table.add_column(column, justify="left" if is_text else "right", overflow="fold")
    return table


def _documents(console: Console, audit: Audit) -> None:
    counts, splits = audit.documents(), audit.splits
    line = (
        f"documents: {counts['read']} read = {counts['train']} train + "
        f"{counts['validation']} validation + {counts['test']} test + "
        f"{counts['set_aside']} set aside"
    )
    if splits.official:
        line += "; official splits"
        if splits.missing:
            line += f", no official {' and no '.join(splits.missing)}"
    _say(console, line)
    kinds = Counter(kind_of(reject.reason) for reject in splits.set_aside)
    for kind, count in kinds.most_common(8):
        first = next(r for r in splits.set_aside if kind_of(r.reason) == kind)
        field = f"{first.field}: " if first.field else ""
        _say(console, f"  {count} set aside: {_safe(kind)} (first: {_safe(field + first.place)})")


def _lengths(console: Console, audit: Audit) -> None:
    _title(console, f"lengths in tokens, of the {audit.split} documents")
    lengths = audit.lengths()
    table = _table("", *lengths["row"])
    for name, quantiles in lengths.items():
        label = {"document": "document (text alone)", "row": "prompt + answer"}.get(name, name)
        table.add_row(label, *map(str, quantiles.values()))
    console.print(table)
    _histogram(console, histogram(audit.row, audit.settings.max_length), audit.settings.max_length)


def _histogram(console: Console, bins: Iterable[Mapping[str, int]], limit: int) -> None:
    bins = list(bins)
    most = max((bin_["count"] for bin_ in bins), default=0)
    for bin_ in bins:
        bar = "█" * -(-bin_["count"] * _BAR // most)
        is_over = bin_["from"] > limit
        line = Text(f"{bin_['from']:>7} to {bin_['to']:<7} ")
        line.append(bar, "red" if is_over else "blue")
        line.append(f" {bin_['count']}{f' over max_length {limit}' if is_over else ''}")
        _say(console, line)


def _windows(console: Console, audit: Audit) -> None:
    whole, windows, tokens = audit.whole_documents(), audit.windows(), audit.tokens()
    settings = audit.settings
    _title(console, f"windows (window {settings.window}, max_length {settings.max_length})")
    _say(
        console,
        f"{whole['fit']} documents would fit as a whole; "
        f"the other {whole['too_long']} make {whole['windows_of_those']} windows",
    )
    _say(
        console,
        f"windows: {windows['made']} made = {windows['trained']} trained + "
        f"{windows['set_aside']} set aside",
    )
    for kind, count in audit.faults.items():
        _say(console, f"  {count} set aside: {_FAULTS[kind]}")
        for reject in audit.set_aside[kind]:
            _say(console, f"    {_safe(reject.place)}: {_safe(reject.reason)}")
    _say(
        console,
        f"tokens: {tokens['trained']} trained, {tokens['with_loss']} of them "
        f"({tokens['share']:.1%}) carry loss",
    )


def _gold(console: Console, audit: Audit) -> None:
    _title(console, f"gold leaves, and objects of lists, of the {audit.split} documents")
    table = _table("field", "gold", "learned", "lost", "aligned", "")
    for name, count in audit.gold.items():
        learned, why = audit.learned[name], audit.lost.get(name, Counter())
        reasons = "; ".join(f"{n} {kind}" for kind, n in why.most_common())
        numbers = (count, learned, count - learned, audit.aligned[name])
        table.add_row(_safe(name), *map(str, numbers), _safe(reasons))
    console.print(table)
    for name, why in audit.partly.items():
        told = "; ".join(f"{n} {kind}" for kind, n in why.most_common())
        _say(console, f"  left out of an object that is learned: {_safe(name)} ({_safe(told)})")
    lost = audit.leaves_lost
    told = "".join(f"; {n} {kind}" for kind, n in lost.most_common())
    _say(
        console,
        f"single leaves, those in objects too: {audit.leaves} = {audit.leaves_learned} learned + "
        f"{lost.total()} lost{_safe(told)}",
    )


def _unlearnable(console: Console, audit: Audit) -> None:
    found = audit.unlearnable
    if not found.missing:
        return
    _title(console, f"verbatim leaves that do not stand in the text: {found.share:.1%}")
    for name, count in found.missing.most_common():
        _say(console, f"  {_safe(name)}: {count} of {found.verbatim[name]}")
        for example in found.examples[name]:
            value, reason = _shortened(example["value"]), _shortened(example["reason"])
            _say(console, f"    {_safe(example['id'])} {value!r}: {reason}")


def _fields(console: Console, audit: Audit) -> None:
    _title(console, "fields")
    census = audit.census.as_json()
    dominated = any(known["dominant"] for known in census.values())
    numbers = ("annotated", "filled", "leaves", "distinct", "median", "longest")
    table = _table("field", *numbers, *([_OFTEN] if dominated else []))
    for name, known in census.items():
        counts = [known[key] for key in ("annotated", "documents", "leaves", "distinct")]
        counts += list(known["characters"].values())
        often = (f"{_shortened(v['value'])!r} {v['share']:.0%}" for v in known["dominant"])
        table.add_row(_safe(name), *map(str, counts), *([", ".join(often)] if dominated else []))
    console.print(table)
    _say(console, "annotated, filled: documents; median, longest: characters of a value")


def _duplicates(console: Console, audit: Audit) -> None:
    counts = {pair: count for pair, count in tally(audit.twins).items() if any(count.values())}
    if not counts:
        _say(console, "\nno document stands, or nearly stands, twice")
        return
    _title(console, "documents that stand elsewhere too")
    table = _table("", "the same text", "nearly", "")
    for pair, count in counts.items():
        twins = (twin for twin in audit.twins if (twin.split, twin.other_split) == pair)
        shown = [_twin(twin) for twin in islice(twins, EXAMPLES)]
        numbers = (str(count["exact"]), str(count["near"]))
        table.add_row(" in ".join(pair), *numbers, _safe(", ".join(shown)))
    console.print(table)


def _twin(twin: Twin) -> str:
    return twin.id if twin.id == twin.other_id else f"{twin.id} = {twin.other_id}"


def _findings(console: Console, audit: Audit) -> None:
    for finding in audit.findings:
        _say(console, Text(f"\n{_safe(finding.line)}", "red" if finding.stops else "yellow"))
    if audit.is_sound:
        _say(console, Text("\nnothing makes training on this unsound", "green"))


def _teaches(made: DocumentRows, number: int) -> bool:
    return any(number in made.learned_in(gold) for gold in made.gold)


def _reading(
    console: Console, reading: Reading, number: int, count: int, prompts: PromptFormat
) -> None:
    """Print a window: the prompt, then the answer that it is trained to give."""
    line = (
        f"window {number + 1} of {count}: {len(reading.prompt)} tokens of prompt, "
        f"{len(reading.answer)} of answer"
    )
    _say(console, Text(line, "bold"))
    text = Text()
    for piece, kind in pieces(reading, prompts):
        text.append(printable(piece, keep="\n"), _STYLES[kind])
    console.print(text, soft_wrap=True)
    if reading.fault:
        _say(console, Text(f"not trained on: {_safe(reading.reason)}", "red"))
