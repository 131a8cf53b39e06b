"""Names of a source that stand for fields of the record: what ``--map SOURCE=FIELD`` says."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .data import Schema
from .errors import SettingsError, did_you_mean, shortened
from .schema.navigation import resolve, types_of

RESERVED = ("id", "text", "record", "mentions", "split", "url", "path")
"""Keys of the core's own rows, which names can be mapped to beside the fields of a schema."""

_REMEMBERED = 1000
"""So many of the names that were looked up are remembered, for messages."""

_SHOWN = 12


class SourceNames(Mapping[str, str]):
    """A field by the name that a source has for it; remembers which names were looked up.

    A name that nobody looked up is not in the source: ``missing`` says so.

    Attributes:
        lists: those of the fields that are lists; values of several names are joined.
        is_of_run: the names are those of a run's training; another source may do without them.
        is_passed_on: whether all readers took them; False once a loader did not.
    """

    def __init__(
        self,
        given: Mapping[str, str] | None = None,
        lists: Collection[str] = (),
        *,
        is_of_run: bool = False,
    ) -> None:
        self._given = dict(given or {})
        self._seen: dict[str, None] = {}
        self.lists = frozenset(lists)
        self.is_of_run = is_of_run
        self.is_passed_on = True

    def __getitem__(self, name: str) -> str:
        """Return the field that a name stands for; KeyError if it stands for none."""
        if name in self._given or len(self._seen) < _REMEMBERED:
            self._seen.setdefault(name)
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the source."""
        return iter(self._given)

    def __len__(self) -> int:
        """Return how many names there are."""
        return len(self._given)

    def __repr__(self) -> str:
        """Return the names as they are given."""
        return f"SourceNames({self._given!r})"

    def as_json(self) -> dict[str, str]:
        """Return the names as run.json holds them."""
        return dict(self._given)

    def anew(self) -> SourceNames:
        """Return the same names, of which none has been looked up."""
        return SourceNames(self._given, self.lists, is_of_run=self.is_of_run)

    def of_run(self) -> SourceNames:
        """Return the names as those of a run's training."""
        return SourceNames(self._given, self.lists, is_of_run=True)

    def missing(self, where: object) -> str | None:
        """Return a message about names that ``where`` does not have; None if it has all."""
        missing = [name for name in self._given if name not in self._seen]
        if not missing or self.is_of_run or not self.is_passed_on:
            return None
        others = [name for name in self._seen if name not in self._given and name]
        close = difflib.get_close_matches(missing[0], others, n=1)
        meant = f"; did you mean {close[0]}?" if close else "." if others else ""
        more = ", …" if len(others) > _SHOWN else ""
        has = f" It has {', '.join(map(_brief, others[:_SHOWN]))}{more}" if others else ""
        names = " or ".join(map(_brief, missing))
        return f"{where}: nothing in it is called {names} (--map){meant}{has}"


def _brief(name: str) -> str:
    return name if len(name) <= 40 and name.isprintable() else shortened(name, 40)


def parse_names(assignments: Iterable[str]) -> dict[str, str]:
    """Return the field of each ``SOURCE=FIELD``, by source; the last "=" separates them.

    Raises:
        SettingsError: one has another form, or a source is given two fields.
    """
    names: dict[str, str] = {}
    for each in assignments:
        source, _, field = (part.strip() for part in each.rpartition("="))
        if not source or not field:
            raise SettingsError(f"--map {each}: SOURCE=FIELD is wanted, such as headline=title")
        if names.setdefault(source, field) != field:
            raise SettingsError(
                f"--map {source} is given twice, for {names[source]} and for {field}; keep one"
            )
    return names


def checked_names(names: Mapping[str, str], schema: Schema) -> SourceNames:
    """Return names whose fields the schema has.

    Raises:
        SettingsError: a field is neither in the schema nor reserved, or two names are given to one
            that is not a list.
    """
    fields = schema.get("properties", {})
    sources: dict[str, str] = {}
    for source, field in names.items():
        if field not in fields and field not in RESERVED:
            known = dict.fromkeys([*fields, *RESERVED])
            raise SettingsError(
                f"--map {source}={field}: no field {field!r}; {did_you_mean(field, known)}"
            )
        if field in sources and not _is_list(field, schema):
            raise SettingsError(
                f"--map: {sources[field]} and {source} are both given to {field}, which is no "
                f"list; keep one"
            )
        sources[field] = source
    return SourceNames(names, {field for field in sources if _is_list(field, schema)})


def _is_list(field: str, schema: Schema) -> bool:
    """Say whether a field of a record is a list; a key that is reserved is none."""
    part: Mapping[str, Any] = schema.get("properties", {}).get(field, {})
    return field not in RESERVED and "array" in types_of(resolve(part, schema))
