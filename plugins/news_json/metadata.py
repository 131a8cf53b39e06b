"""Read the metadata of HTML pages: JSON-LD, Open Graph, ``<html lang>`` and ``<link>``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from . import json_ld, names
from .snippets import one_line

_ARTICLE = re.compile(r"(?i)article|posting|report|review")
_BY = re.compile(r"(?i)\A(?:(?:written )?by|text:|words:)\s+(?=\S)")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_BREAK = re.compile(r"(?i)</?(?:br|p|div|li)\b[^<>]{0,500}>")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,500}>|<!--.*?-->", re.DOTALL)

# Country domains that are mostly used for other purposes, and one that is not a country's.
_NO_COUNTRY = frozenset("ai am cc co eu fm gg io la ly me nu su to tv ws".split())
_DOMAINS = {"uk": "GB"}


@dataclass(frozen=True)
class Metadata:
    """The metadata of a page, from the best source first, not yet compared with the text.

    Attributes:
        country: the country of the publisher's address, or else of the page's domain.
    """

    headlines: list[str]
    authors: list[str]
    sites: list[str]
    description: str | None
    language: str | None
    country: str | None
    url: str | None


def read_metadata(tree: Any, address: str | None = None) -> Metadata:
    """Return the metadata of a page.

    Args:
        tree: the root element (lxml).
        address: where the page is from, if that is known; one that the page gives is preferred.
    """
    meta = _meta(tree)
    objects = json_ld.objects(tree)
    articles = [one for one in objects if _is_article(one)]
    publishers = [one for article in articles for one in _listed(article.get("publisher"))]
    url = _url(tree, meta, articles) or address
    own_names = meta.get("og:site_name", []), publishers, meta.get("application-name", [])
    sites = [
        name
        for name in _strings([name for given in own_names for name in given])
        if not _is_address(name)
    ]
    titles = [*_values(articles, "headline"), *meta.get("og:title", ()), *_values(articles, "name")]
    descriptions = [
        *meta.get("og:description", ()),
        *_values(articles, "description"),
        *meta.get("description", ()),
    ]
    tags = [tree.get("lang"), *_values(articles, "inLanguage"), *meta.get("og:locale", ())]
    return Metadata(
        [form for title in _strings(titles) for form in _without_site(title, sites)],
        _authors(articles, meta),
        sites,
        next(iter(_strings(descriptions)), None),
        next((name for tag in _strings(tags) if (name := names.language(tag))), None),
        _country(publishers, url),
        url,
    )


def _meta(tree: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or ""
        found.setdefault(name.lower(), []).append(element.get("content") or "")
    return found


def _is_article(value: dict[str, Any]) -> bool:
    return any(isinstance(t, str) and _ARTICLE.search(t) for t in _listed(value.get("@type")))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _values(objects: list[dict[str, Any]], key: str) -> list[Any]:
    return [value for one in objects for value in _listed(one.get(key))]


def _strings(values: list[Any]) -> list[str]:
    """Return the distinct strings of values; of an object, its name or its parts."""
    found = (one_line(_plain(text)) for value in values for text in _listed(_named(value)))
    return list(dict.fromkeys(text for text in found if text))


def _named(value: Any) -> Any:
    """Return the name of an object: as a whole, or of its given and family name."""
    if not isinstance(value, dict):
        return value
    parts = (value.get(key) for key in ("givenName", "additionalName", "familyName"))
    joined = " ".join(part for part in parts if isinstance(part, str))
    name = value.get("name") or value.get("@value") or joined
    return _named(name) if isinstance(name, dict) else name


def _plain(value: Any) -> str:
    """Return the text of a value that may hold HTML or CDATA."""
    if not isinstance(value, str):
        return ""
    text = _CDATA.sub(r"\1", unescape(_CDATA.sub(r"\1", value)))
    return unescape(_TAG.sub("", _BREAK.sub(" ", text))) if "<" in text else text


def _authors(articles: list[dict[str, Any]], meta: dict[str, list[str]]) -> list[str]:
    """Return the names of the first source that has any."""
    sources = [one.get(key) for one in articles for key in ("author", "creator")]
    for source in [*map(_listed, sources), *(meta.get(name, []) for name in _AUTHOR_NAMES)]:
        found = [_BY.sub("", name) for name in _strings(source) if not _is_address(name)]
        if found:
            return found
    return []


def _is_address(name: str) -> bool:
    """Return whether a name is an address or has no letters."""
    return "://" in name or "@" in name or not any(map(str.isalpha, name))


_AUTHOR_NAMES = ("author", "article:author", "parsely-author", "dc.creator", "dcterms.creator")


def _without_site(title: str, sites: list[str]) -> list[str]:
    """Return a title without the site's name, and also the part before its last bar."""
    for site in sites:
        title = re.sub(rf"\s+[|–—·-]\s+{re.escape(site)}$", "", title)
    head, bar, _rest = title.rpartition(" | ")
    return [title, head] if bar else [title]


def _url(tree: Any, meta: dict[str, list[str]], articles: list[dict[str, Any]]) -> str | None:
    links = [link.get("href") for link in tree.iter("link") if link.get("rel") == "canonical"]
    for url in _strings([*links, *meta.get("og:url", ()), *_values(articles, "url")]):
        if _host(url) and " " not in url:
            return url
    return None


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _country(publishers: list[Any], url: str | None) -> str | None:
    addresses = [one.get("address") for one in publishers if isinstance(one, dict)]
    for address in addresses:
        given = address.get("addressCountry") if isinstance(address, dict) else None
        for text in _strings([given]):
            if found := names.country(text):
                return found
    domain = _host(url or "").rpartition(".")[2]
    if len(domain) != 2 or domain in _NO_COUNTRY:
        return None
    return names.country(_DOMAINS.get(domain, domain))
