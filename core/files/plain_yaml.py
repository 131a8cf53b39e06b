"""Read YAML that people write: no key comes twice in a mapping, and there are no aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from .reading import read_text

_LARGEST = 10_000_000
"""Most characters of a file."""


class _Loader(yaml.SafeLoader):
    """Reads plain YAML."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event: Any = self.get_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not read", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        made = super().construct_mapping(node, deep)
        if len(made) < len(node.value):
            raise yaml.MarkedYAMLError(
                problem="a key comes twice in one mapping", problem_mark=node.start_mark
            )
        return made


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        InputError: it cannot be read, is not YAML, or is too large; names the file and the line.
    """
    text = read_text(path)
    if len(text) > _LARGEST:
        raise InputError(f"{path}: has more than {_LARGEST:,} characters; split it")
    try:
        return yaml.load(text, _Loader)  # it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        what = " ".join(str(error).split())[:200] or "nested too deeply"
        raise InputError(f"{path}: not YAML: {what}") from error
