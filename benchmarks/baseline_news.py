"""Score baselines for news pages: their first lines, and the metadata of HTML.

    python -m benchmarks.baseline_news --data PATH

PATH is what the plugin news_json reads. First lines: the headline is the first line that is neither
address nor menu, the opening the first long line, the author what follows "By" (in several
languages), the source what stands behind a bar or a copyright sign, the country what the address
ends in, the language that with most of the words that it cannot do without. For a file or folder of
HTML, the metadata that trafilatura reads is scored besides. It shares its source with the labels,
which come from the page's metadata too: it is no measure of reading, and says how far a reader of
metadata alone gets where the labels are those that the text bears out. The country by the address
is how the labels of HTML are made, too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from fieldsmith import Counts, Example, Prediction, Record
from fieldsmith.plugins import load
from fieldsmith.scoring.metrics import point_scores

LONG = 80
"""Characters of a line that is a paragraph."""

_BY = re.compile(
    r"^(?:written by|by|words|von|text|texte|texto|par|por|di|door|av|af|autor|oleh)\b\s*:?\s+"
    r"(\w[^|·\d]{2,80}?)(?:\s+[-–|·].*|, .*\d.*)?$",
    re.IGNORECASE,
)
_MENU = re.compile(r"\s[|·]\s|^.{0,24}$")
_FOOT = re.compile(r"^(?:©|Copyright)\s*(?:\d{4}\s*)?([^©–]{2,40}?)\s*(?:–.*)?$")
_TITLE = re.compile(r"^[^|]{25,} \| ([^|]{2,40})$")
_COUNTRY = re.compile(r"^URL: https?://[^/\s]*\.([a-z]{2})(?:[:/]|$)|^URL: \S+/([a-z]{2})/")

_COMMON_WORDS = {
    "English": "the of and to in that is for was with",
    "German": "der die und das den von mit ist nicht ein",
    "French": "le les des et une est dans pour du qui",
    "Spanish": "el los las que del una por con para se",
    "Italian": "il di che della un per gli non con una",
    "Portuguese": "o os que do da em um uma não para",
    "Dutch": "de het een van en dat niet voor zijn op",
    "Swedish": "och att det som en på är av för inte",
    "Norwegian": "og det er på som til av en ikke har",
    "Czech": "a se na je že v to s do který",
    "Turkish": "ve bir bu da için ile de olarak çok daha",
}
_SCRIPTS = {
    "Japanese": "[\u3040-\u30ff]", "Korean": "[\uac00-\ud7a3]", "Greek": "[\u0370-\u03ff]",
    "Arabic": "[\u0600-\u06ff]", "Hindi": "[\u0900-\u097f]", "Chinese": "[\u4e00-\u9fff]",
    "Russian": "[\u0400-\u04ff]",
}  # fmt: skip


def predict(text: str) -> Record:
    """Return the record of a page by its first lines."""
    lines = text.split("\n")
    url = lines[0].removeprefix("URL: ") if lines[0].startswith("URL: ") else None
    shown = lines[1:] if url else lines
    return {
        "Country": _country(lines[0]),
        "Headline": next((line for line in shown if not _MENU.search(line)), None),
        "Hit Sentence": None,
        "Influencer": _group(_BY, shown),
        "Language": _language(text),
        "Opening Text": next((line for line in shown if len(line) >= LONG), None),
        "Source": _group(_FOOT, shown) or _group(_TITLE, shown),
        "URL": url,
    }


def metadata(path: Path) -> Record:
    """Return the record of a page of HTML by the metadata that trafilatura reads."""
    from trafilatura import extract_metadata

    from fieldsmith_news_json import names

    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    found = extract_metadata(data.decode("utf-8", "replace"))
    given = found.as_dict() if found else {}
    url = given.get("url")
    author = given.get("author")
    return {
        "Country": _country(f"URL: {url}"),
        "Headline": given.get("title"),
        "Hit Sentence": None,
        "Influencer": author.replace("; ", ", ") if author else None,
        "Language": names.language(given.get("language") or ""),
        "Opening Text": given.get("description"),
        "Source": given.get("sitename"),
        "URL": url,
    }


def _group(pattern: re.Pattern[str], lines: Sequence[str]) -> str | None:
    return next((found[1].strip() for line in lines if (found := pattern.search(line))), None)


def _country(line: str) -> str | None:
    found = _COUNTRY.search(line)
    code = (found[1] or found[2]).upper() if found else ""
    return _countries().get({"UK": "GB"}.get(code, code))


def _countries() -> dict[str, str]:
    table = json.loads((files("fieldsmith_news_json") / "names.json").read_text("utf-8"))
    return {others[0]: name for name, others in table["countries"].items()}


def _language(text: str) -> str | None:
    for name, letters in _SCRIPTS.items():
        if len(re.findall(letters, text)) > len(text) / 4:
            return name
    words = Counter(re.findall(r"\w+", text.lower()))
    known = {
        name: sum(words[word] for word in common.split()) for name, common in _COMMON_WORDS.items()
    }
    best = max(known, key=lambda name: known[name])
    return best if known[best] else None


def _scores(examples: Sequence[Example], answer: Callable[[Example], Record]) -> dict[str, float]:
    plugin = load("news_json")
    counts: list[dict[str, Counts]] = [
        plugin.metric(example, Prediction(example.document, record=answer(example)))
        for example in examples
    ]
    seen = dict.fromkeys(name for row in counts for name in row)
    names = [name for name in plugin.settings("embedded")["score"] if name in seen]  # type: ignore[attr-defined]
    return {
        name: value
        for name, value in point_scores(counts, names).items()
        if name == "score" or name.endswith("/f1")
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the F1 of each name and the score, for each baseline."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baseline_news")
    parser.add_argument("--data", type=Path, required=True, help="what news_json reads")
    data: Path = parser.parse_args(arguments).data
    rows = load("news_json").load(data)
    examples = [row for row in rows if isinstance(row, Example) and row.record is not None]
    columns = {"first lines": _scores(examples, lambda example: predict(example.document.text))}
    if examples and all("path" in example.document.meta for example in examples):
        root = data.parent if data.is_file() else data
        columns["metadata"] = _scores(
            examples, lambda example: metadata(root / example.document.meta["path"])
        )
    print(f"{len(examples)} documents{'':18}" + "".join(f"{name:>13}" for name in columns))
    for name in columns["first lines"]:
        print(f"{name:30}" + "".join(f"{column[name]:13.3f}" for column in columns.values()))


if __name__ == "__main__":
    main()
