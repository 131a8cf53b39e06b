"""Score a baseline of regular expressions for dcat_datasets, and the files of other systems.

    python -m benchmarks.baseline_datasets --data PAIRS [--outputs FOLDER]...

PAIRS is what the plugin reads with text, such as MetaMine's gold; FOLDER holds a system's
``paper_N.json``. A title is what stands in quotes or before "dataset", "corpus" or "benchmark",
or a name with its acronym in brackets; a year, an address and languages are taken from what
follows, up to the next title.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from fieldsmith import Counts, Example, Prediction, Record
from fieldsmith.plugins import load
from fieldsmith.scoring.metrics import score

_NAME = r"[A-Z0-9][\w'’./+&-]*"
_NAMES = rf"{_NAME}(?:[ \n](?:(?:of|for|and|the|in)[ \n])?{_NAME}){{0,6}}"
_KIND = r"(?:[Dd]ata ?sets?|[Cc]orpus|[Cc]orpora|[Bb]enchmarks?)"
TITLES = re.compile(
    rf"(?P<long>{_NAMES}[ \n]\((?P<short>[A-Z][\w-]*[A-Z0-9][\w-]*)\))"
    rf"|(?P<before>{_NAMES})(?=[ \n]{_KIND}\b)"
    rf"|[\"“](?P<quoted>[^\"“”\n]{{2,80}})[\"”](?=[ \n]{_KIND}\b)"
)
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
ADDRESS = re.compile(r"(?:https?|ftp)://[^\s<>()\"\]]*[^\s<>()\"\].,;:*]")
LANGUAGES = re.compile(
    r"\b(?:English|German|French|Spanish|Italian|Portuguese|Dutch|Russian|Polish|Czech|Finnish|"
    r"Swedish|Danish|Turkish|Arabic|Hebrew|Hindi|Chinese|Japanese|Korean|Greek|Swahili)\b"
)
_LISTS = ("dcterms:creator", "dcat:theme", "dcat:keyword", "mls:task")
_EMPTY = ("dcterms:identifier", "dcterms:hasVersion", "dcterms:format")

SHOWN = (
    "datasets", "title", "creator", "issued", "language", "identifier", "theme", "keyword",
    "landingPage", "hasVersion", "format", "task", "issued_agreed", "language_agreed",
    "identifier_agreed", "landingPage_agreed", "hasVersion_agreed", "format_agreed", "values",
)  # fmt: skip


def predict(text: str) -> Record:
    """Return the record that the patterns find in a text; a title counts once."""
    found = list(TITLES.finditer(text))
    datasets: dict[str, dict[str, object]] = {}
    for number, match in enumerate(found):
        title = re.sub(r"\s+", " ", next(filter(None, match.group("long", "before", "quoted"))))
        title = re.sub(r"^(?:The|This|These|An?|In|For|On) (?=.)", "", title)
        following = found[number + 1].start() if match is not found[-1] else len(text)
        after = text[match.end() : following]
        names = {title.casefold(), (match["short"] or title).casefold()}
        if names & datasets.keys():
            continue
        dataset = _described(title, after)
        datasets |= dict.fromkeys(names, dataset)
    distinct = {str(dataset["dcterms:title"]): dataset for dataset in datasets.values()}
    return {"datasets": list(distinct.values())}


def _described(title: str, after: str) -> dict[str, object]:
    year, address = YEAR.search(after), ADDRESS.search(after)
    languages = dict.fromkeys(LANGUAGES.findall(after))
    return {
        "dcterms:title": title,
        "dcterms:issued": year and year[0],
        "dcterms:language": ", ".join(languages) or None,
        "dcat:landingPage": address and address[0],
        **dict.fromkeys(_EMPTY),
        **{key: [] for key in _LISTS},
    }


def main(arguments: list[str] | None = None) -> None:
    """Print F1 of the baseline, and of each system whose files are given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline_datasets")
    parser.add_argument("--data", type=Path, required=True, help="gold with text")
    parser.add_argument(
        "--outputs", type=Path, action="append", default=[], help="a system's files"
    )
    options = parser.parse_args(arguments)
    plugin = load("dcat_datasets")
    gold = {row.document.id: row for row in plugin.load(options.data) if isinstance(row, Example)}
    records = {identifier: predict(row.document.text) for identifier, row in gold.items()}
    systems: dict[str, Mapping[str, Record | None]] = {"regular expressions": records}
    for folder in options.outputs:
        rows = [row for row in plugin.load(folder) if isinstance(row, Example)]
        systems[folder.name] = {row.document.id: row.record for row in rows}
    for name, answers in systems.items():
        scored = sorted(answers.keys() & gold.keys())
        counts = [
            plugin.metric(gold[paper], Prediction(gold[paper].document, record=answers[paper]))
            for paper in scored
        ]
        _print(f"{name}: {len(scored)} papers", counts)


def _print(head: str, counts: Iterable[Mapping[str, Counts]]) -> None:
    print(head)
    scores = score(list(counts), ["datasets", "values"])
    for name in SHOWN:
        if f"{name}/f1" in scores:
            rates = [scores[f"{name}/{rate}"].value for rate in ("precision", "recall")]
            f1 = scores[f"{name}/f1"]
            shown = f"{f1.value:.3f} ({f1.low:.3f} to {f1.high:.3f})"
            print(f"  {name:20} P {rates[0]:.3f}  R {rates[1]:.3f}  F1 {shown}")


if __name__ == "__main__":
    main()
