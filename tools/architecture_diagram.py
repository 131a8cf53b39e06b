"""Draw the packages of core/ in docs/architecture.md, from the imports between them.

    python tools/architecture_diagram.py

It writes a mermaid graph and a table with the first paragraph of each docstring.
"""

from __future__ import annotations

import ast
import configparser
import graphlib
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "core"
PAGE = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- made by tools/architecture_diagram.py: do not edit -->"
END = "<!-- made until here -->"


def imports_between_packages() -> dict[str, set[str]]:
    """Return each package of the core with the packages that it imports."""
    graph = grimp.build_graph("fieldsmith", exclude_type_checking_imports=True)
    packages = {f"fieldsmith.{path.parent.name}" for path in CORE.glob("*/__init__.py")}
    for package in packages:
        graph.squash_module(package)
    return {
        _name(package): {
            _name(found) for found in graph.find_modules_directly_imported_by(package) & packages
        }
        - {_name(package)}
        for package in packages
    }


def without_implied(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out an import that a chain of others implies (the transitive reduction).

    Raises:
        graphlib.CycleError: packages import each other in a circle.
    """
    below: dict[str, set[str]] = {}
    for package in graphlib.TopologicalSorter(imports).static_order():
        below[package] = imports[package].union(*(below[other] for other in imports[package]))
    return {
        package: {name for name in found if not any(name in below[other] for other in found)}
        for package, found in imports.items()
    }


def layers() -> list[list[str]]:
    """Return the layers of the core from top to bottom, as setup.cfg lists them."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = settings["importlinter:contract:layers"]["layers"].split("\n")
    return [[name.strip() for name in line.split("|")] for line in lines if line.strip()]


def picture() -> str:
    """Return the graph and the table, in Markdown."""
    names = [name for layer in layers() for name in layer]
    arrows = without_implied(imports_between_packages())
    lines = [
        f"    {name} --> {other}"
        for name in names
        for other in sorted(arrows.get(name, ()), key=names.index)
    ]
    rows = [f"| {_path(name)} | {_concept(name)} |" for name in names]
    graph = ["```mermaid", "graph TD", *lines, "```"]
    return "\n".join([*graph, "", "| | concept |", "|---|---|", *rows])


def drawn(page: str) -> str:
    """Return a page with the picture between its two markers."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{picture()}\n\n{END}{rest.partition(END)[2]}"


def _name(module: str) -> str:
    return module.rpartition(".")[2]


def _path(name: str) -> str:
    return f"`{name}/`" if (CORE / name).is_dir() else f"`{name}.py`"


def _concept(name: str) -> str:
    """Return the first paragraph of a docstring as one line of a table."""
    file = CORE / name / "__init__.py" if (CORE / name).is_dir() else CORE / f"{name}.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
