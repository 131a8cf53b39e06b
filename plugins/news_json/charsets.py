"""Encodings of pages: the marks of UTF-16, and what browsers read other names as."""

from __future__ import annotations

import codecs

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
WEB_NAMES = {"gb2312": "gb18030", "gbk": "gb18030", "iso-8859-1": "cp1252", "latin1": "cp1252",
             "us-ascii": "cp1252", "x-sjis": "shift_jis", "shift_jis": "cp932"}  # fmt: skip
"""What browsers read the named encodings as (WHATWG, Encoding)."""
