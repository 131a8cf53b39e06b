"""Sphinx: the docs as a site, from the same pages that the repository shows (`make docs`)."""

from __future__ import annotations

import fieldsmith

project = "fieldsmith"
author = "The fieldsmith authors"
copyright = author  # noqa: A001 - the name that Sphinx reads
release = version = fieldsmith.__version__

# The source folder is the repository, so that links between README and docs are links of the site.
root_doc = "docs/contents"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/*.rst",
    "docs/how-to/*.md",
    "docs/notebooks/*.md",
    "plugins/*/README.md",
    "core/base/README.md",
]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.mermaid",
]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
napoleon_numpy_docstring = False
suppress_warnings = [
    "misc.highlighting_failure",  # fences of JSONL and of schemas with "…" in them
    "myst.header",  # a read-me on its own may begin lower
]
html_theme = "furo"
html_title = f"fieldsmith {release}"
