"""The page on the architecture agrees with the code."""

from __future__ import annotations

import re

from architecture_diagram import PAGE, drawn, imports_between_packages, without_implied
from paths import ROOT


def test_the_page_shows_the_packages_as_they_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert drawn(page) == page, "run: python tools/architecture_diagram.py"


def test_an_implied_import_is_not_drawn() -> None:
    imports = {"cli": {"plan", "text"}, "plan": {"text"}, "text": set[str]()}
    assert without_implied(imports) == {"cli": {"plan"}, "plan": {"text"}, "text": set()}


def test_what_the_page_names_exists() -> None:
    packages = "|".join(imports_between_packages())
    page = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{packages})\.\w+\.[\w.]+)`", page))
    assert len(named) > 20
    assert [name for name in sorted(named) if not exists(name)] == []


def exists(name: str) -> bool:
    """Say whether a module of the core defines a function, a class, or a method of one."""
    package, module, *path = name.split(".")
    file = ROOT / "core" / package / f"{module}.py"
    source = file.read_text(encoding="utf-8") if file.is_file() else ""
    return all(re.search(rf"^ *(?:def|class) {part}\b", source, re.MULTILINE) for part in path)
