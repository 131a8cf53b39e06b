"""Chat templates as they are asked and saved: with a fixed date, for texts, without open thoughts.

What is changed is in the template itself, so that other engines, which read it from the folder of
an adapter, ask the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

# Some templates print today's date; prompts of different days have to be equal.
_DATE = datetime(2024, 7, 26)
_CALL = re.compile(r"""strftime_now\(\s{0,9}(["'])([^"'\\]{0,99})\1\s{0,9}\)""")
_OTHER_USE = re.compile(r"strftime_now(?!\s{1,9}is\s{1,9}(?:not\s{1,9})?defined)")
_DIRECTIVES = "aAbBcdDeFGHhIjmMpRSTuUVwWxXyYzZ"
_PADDED = "dHIjmMSy"

LISTED_ROLES = (
    ("system", "user", "assistant"),
    ("user", "assistant"),
    ("user",),
    ("system",),
)
"""Roles whose contents a template may take as lists of parts, the likeliest first."""

# Templates are rendered with trim_blocks: a line break after a block is not written.
_AS_PARTS = """\
{%- set given = namespace(messages=[]) %}{%- for message in messages %}\
{%- if message.content is string and message.role in @ROLES@ %}\
{%- set parts = [{'type': 'text', 'text': message.content}] %}\
{%- set message = {'role': message.role, 'content': parts} %}{%- endif %}\
{%- set given.messages = given.messages + [message] %}{%- endfor %}\
{%- set messages = given.messages %}
"""
_PART = re.compile(r"""["']text["']:\s{0,9}["']\Z|\\u2003\Z""")

_THOUGHT = re.compile("think|thought|reason", re.IGNORECASE)
_OPEN_THOUGHT = re.compile(
    r"(?P<left><\|?|\[)(?P<start>start_|begin_of_|)(?P<name>(?!end)[\w:]*(?:think|thought|reason)\w*)"
    r"(?P<right>\|?>|\])(?P<space>\s*)\Z",
    re.IGNORECASE,
)
_ENDS = {"start_": "end_", "begin_of_": "end_of_", "": "/"}


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
    return f"{{%- macro strftime_now(format) -%}}{{{{ format{filters} }}}}{{%- endmacro %}}\n"


def may_read_parts(template: str) -> bool:
    """Say whether a template may take the content of a message as a list of parts."""
    return re.search(r"\btext\b", template) is not None


def taking_texts(template: str, roles: Sequence[str]) -> str:
    """Return a template that takes texts, of one that takes the contents of some roles as lists."""
    return _AS_PARTS.replace("@ROLES@", str(list(roles))) + template


def shows_part(markup: str) -> bool:
    """Say whether markup in front of a content is that of a list, written as Python or JSON does.

    >>> shows_part("<|user|>[{'type': 'text', 'text': '"), shows_part("<|user|>")
    (True, False)
    """
    return _PART.search(markup) is not None


def may_open_thought(template: str) -> bool:
    """Say whether a template may open a block of thoughts in front of an answer."""
    return _THOUGHT.search(template) is not None


def with_closed_thought(template: str, before_answer: str) -> str:
    """Return a template that closes the block of thoughts which it opens in front of an answer.

    Args:
        template: the template.
        before_answer: what it writes after the last message.

    >>> with_closed_thought("<think>", "<think>")
    "<think>{{ '</think>' if add_generation_prompt else '' }}"
    """
    found = _OPEN_THOUGHT.search(before_answer)
    if not found:
        return template
    start, space = found["start"], found["space"]
    end = _ENDS[start.lower()]
    end = end.upper() if start.isupper() else end
    closing = f"{space}{found['left']}{end}{found['name']}{found['right']}{space * 2}"
    # Jinja does not write a line break at the end of a template.
    return f"{template.removesuffix(chr(10))}{{{{ {closing!r} if add_generation_prompt else '' }}}}"
