"""Name files after the ids of documents, whatever these hold."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80

_ABOUT_THE_DATA = re.compile(r"(?i)readme|licen[cs]e|copying|notice|source")
"""Beginnings of names that readers of a folder take for descriptions of its data."""


def file_stem(document_id: str) -> str:
    """Return the name of a document's files, without their endings.

    An id of letters, digits, ".", "_" and "-" is kept. Of any other a readable part is kept, with
    a hash of the whole, so that two ids never share a name.

    >>> file_stem("0704.0001"), file_stem("../etc/passwd")
    ('0704.0001', 'etc-passwd-7fef78f53440')
    """
    kept = _UNSAFE.sub("-", document_id).strip("-.")[:_LONGEST].rstrip("-.")
    if _ABOUT_THE_DATA.match(kept):
        kept = f"x-{kept}"
    if kept == document_id:
        return kept
    digest = hashlib.sha256(document_id.encode()).hexdigest()[:12]
    return f"{kept}-{digest}" if kept else digest
