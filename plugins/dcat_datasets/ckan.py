"""Read records of CKAN as gold: packages as its API and ``ckanapi dump datasets`` return them.

::

    {"success": true, "result": {"id": "9f", "name": "trovel", "title": "TROVEL corpus",
     "author": "Ilka Marrow", "notes": "Road signs.", "url": "https://trovel.example/",
     "tags": [{"name": "road signs"}], "groups": [{"title": "Transport"}],
     "resources": [{"format": "CSV"}], "extras": [{"key": "language", "value": "eng"}]}}

What is empty in a package was not filled in, so it is not annotated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fieldsmith import Example, InputError, Reject, SourceFile, read_text

from .languages import english_name
from .mending import Dataset, UnreadableError, parse_json, repaired
from .pages import described, text_beside, with_text

Package = dict[str, Any]

_ISSUED = ("issued", "date_released", "release_date", "publication_date", "released")
_IDENTIFIER = ("doi", "identifier", "guid")


def is_ckan(file: SourceFile) -> bool:
    """Return whether a file is JSON of CKAN's packages."""
    head = file.head
    known = (b'"metadata_created"', b'"license_id"', b'"notes"', b'"owner_org"', b'"package_show')
    is_json = head.startswith((b"{", b"["))
    return is_json and b'"resources"' in head and any(key in head for key in known)


def examples(file: SourceFile) -> Iterator[Example | Reject]:
    """Yield the packages of a file: one, a list, a search's results, or one object a line.

    Raises:
        InputError: the file is not JSON.
    """
    rows = list(_packages(file))
    beside = text_beside(file.path, file.path.stem) if len(rows) == 1 else None
    for place, package in rows:
        if isinstance(package, Reject):
            yield package
            continue
        name = str(package.get("name") or package.get("id") or place.rpartition("/")[2])
        found = next(iter(repaired([_dataset(package)])), None)
        if found is None or not found.get("dcterms:title"):
            yield Reject(place, "title", "the package has no title", name)
        elif beside is not None:
            yield with_text(file.path.stem, beside, [found], place, file.split_of_folder)
        else:
            yield described(name, found, place, file.split)


def _packages(file: SourceFile) -> Iterator[tuple[str, Package | Reject]]:
    """Yield the place of each package, and the package or why it is none."""
    text = read_text(file.path)
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1 and all(
        line.startswith("{") and line.rstrip().endswith("}") for line in lines
    ):
        for number, line in enumerate(text.split("\n"), start=1):
            place = f"{file.path}:{number}"
            if line.strip():
                try:
                    yield place, _object(parse_json(line), place)
                except UnreadableError as error:
                    yield place, Reject(place, "", f"unreadable: {error}")
        return
    try:
        value = parse_json(text)
    except UnreadableError as error:
        raise InputError(f"{file.path}: unreadable: {error}") from error
    while isinstance(value, dict) and isinstance(
        value.get("result", value.get("results")), dict | list
    ):
        value = value.get("result", value.get("results"))
    for number, package in enumerate(value if isinstance(value, list) else [value], start=1):
        place = f"{file.path}: package {number}" if isinstance(value, list) else str(file.path)
        yield place, _object(package, place)


def _object(value: object, place: str) -> Package | Reject:
    if isinstance(value, dict):
        return value
    return Reject(place, "", f"a package is wanted as an object, not {type(value).__name__}")


def _dataset(package: Package) -> Dataset:
    extras = {
        str(one.get("key", "")).lower(): one.get("value") for one in _objects(package.get("extras"))
    }
    known = {**extras, **{key: value for key, value in package.items() if value}}
    found: Dataset = {
        "dcterms:title": known.get("title"),
        "dcterms:creator": _listed(known.get("author")),
        "dcterms:issued": next((known[key] for key in _ISSUED if known.get(key)), None),
        "dcterms:language": _languages(known.get("language")),
        "dcterms:identifier": next((known[key] for key in _IDENTIFIER if known.get(key)), None),
        "dcterms:hasVersion": known.get("version"),
        "dcterms:format": ", ".join(_named(package.get("resources"), "format")),
        "dcat:landingPage": known.get("url"),
        "dcat:theme": _named(package.get("groups"), "title", "display_name", "name"),
        "dcat:keyword": _named(package.get("tags"), "display_name", "name"),
        "dcterms:description": known.get("notes"),
    }
    return {key: value for key, value in found.items() if value}


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _named(value: object, *keys: str) -> list[str]:
    """Return the distinct names of a list of objects, by the first key that each has."""
    names = (next((one[key] for key in keys if one.get(key)), None) for one in _objects(value))
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def _listed(value: object) -> list[Any]:
    """Return a list, which an extra holds as JSON in a string."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return [value]
    return value if isinstance(value, list) else [value] if value else []


def _languages(value: object) -> str:
    names = (english_name(one) for one in _listed(value) if isinstance(one, str))
    return ", ".join(dict.fromkeys(names))
