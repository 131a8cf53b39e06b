"""Chat templates as they are asked and saved: with a fixed date.

What is changed is in the template itself, so that other engines, which read it from the folder of
an adapter, ask the same.
"""

from __future__ import annotations

import re
from datetime import datetime

# Some templates print today's date; prompts of different days have to be equal.
_DATE = datetime(2024, 7, 26)
_CALL = re.compile(r"""strftime_now\(\s{0,9}(["'])([^"'\\]{0,99})\1\s{0,9}\)""")
_OTHER_USE = re.compile(r"strftime_now(?!\s{1,9}is\s{1,9}(?:not\s{1,9})?defined)")
_DIRECTIVES = "aAbBcdDeFGHhIjmMpRSTuUVwWxXyYzZ"
_PADDED = "dHIjmMSy"


def with_fixed_date(template: str) -> str:
    """Return a chat template that writes a fixed date where it would write that of today.

    A call with a text becomes the date. For any other use of the function, such as a call with a
    variable, a macro of its name stands in front of the template.

    >>> with_fixed_date("Today: {{ strftime_now('%d %b %Y') }}")
    "Today: {{ '26 Jul 2024' }}"
    """
    template = _CALL.sub(lambda call: repr(_DATE.strftime(call[2])), template)
    macro = _date_macro()
    is_left = macro not in template and _OTHER_USE.search(template)
    return macro + template if is_left else template


def _date_macro() -> str:
    written = {f"%{each}": _DATE.strftime(f"%{each}") for each in _DIRECTIVES}
    # The C library of Linux and macOS writes numbers without their padding for these.
    bare = {f"%-{each}": written[f"%{each}"].lstrip("0") or "0" for each in _PADDED}
    bare["%f"] = "000000"
    changes = {"%%": "⟦percent⟧", **written, **bare, "⟦percent⟧": "%"}
    filters = "".join(f" | replace({old!r}, {new!r})" for old, new in changes.items())
    # Templates are rendered with trim_blocks: the line break is not written.
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{filters} }}}}{{%- endmacro %}}\n"
