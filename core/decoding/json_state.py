"""Track the structure of a JSON answer byte by byte, and where a list repeats an item."""

from __future__ import annotations

from dataclasses import dataclass

_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_OPEN, _CLOSE, _DIGITS, _NUMBER = b"[{", b"]}", b"0123456789", b"0123456789.+-eE"


@dataclass
class _Container:
    """A list or an object that is still open.

    Attributes:
        is_list: whether it is a list.
        path: length of the context in which it was opened.
        item: where its present item begins in the answer.
        previous: the item before that.
    """

    is_list: bool
    path: int
    item: int
    previous: bytes | None = None


class JsonState:
    """Parser state of compact JSON that is being generated.

    Attributes:
        text: the answer so far.
        string: where the contents of the open string begin; None outside of a string.
        is_value: whether the last string is a value, not a key.
        value: the last complete string value.
    """

    def __init__(self) -> None:
        self.text = bytearray()
        self.string: int | None = None
        self.is_value = False
        self.value = b""
        self._escaped = False
        self._open: list[_Container] = []
        self._context = bytearray()
        self._begin = 0  # length of the context in which the last string began

    @property
    def context(self) -> bytes:
        """The answer so far without the contents of complete values.

        Of a complete list, it says whether it is empty; of an open one, whether it has a complete
        item. Equal contexts are likely to continue alike.
        """
        return bytes(self._context)

    @property
    def may_close_string(self) -> bool:
        """Whether a quote would end a string that is a value."""
        return self.string is not None and self.is_value and not self._escaped

    @property
    def field(self) -> bytes:
        """The context in which the last string began."""
        return bytes(self._context[: self._begin])

    def write(self, data: bytes, *, repeats: bool = False) -> int:
        """Advance by bytes; return how many.

        Args:
            data: continues the answer.
            repeats: False stops at a comma after a list item that equals the item before it.
        """
        for count, byte in enumerate(data):
            if self.string is not None:
                self._in_string(byte)
            elif byte == _QUOTE:
                self._begin = len(self._context)
                self.is_value = self._open[-1].is_list or self._context[-1] not in b"{,"
                self.string = len(self.text) + 1
            elif byte == _COMMA:
                if not self._next_item(repeats=repeats):
                    return count
            elif byte in _OPEN:
                is_list = byte == _OPEN[0]
                self._open.append(_Container(is_list, len(self._context), len(self.text) + 1))
            elif byte in _CLOSE:
                closed = self._open.pop()
                self._context[closed.path :] = b"" if closed.item == len(self.text) else b"."
            self.text.append(byte)
            self._context.append(byte)
        return len(data)

    def _in_string(self, byte: int) -> None:
        if self._escaped or byte == _BACKSLASH:
            self._escaped = not self._escaped
        elif byte == _QUOTE:
            if self.is_value:
                self.value = bytes(self.text[self.string :])
                del self._context[self._begin :]
            self.string = None

    def _next_item(self, *, repeats: bool) -> bool:
        """Begin an item of the innermost container; False if the last one repeats another."""
        inside = self._open[-1]
        if inside.is_list:
            item = bytes(self.text[inside.item :])
            if item == inside.previous and not repeats:
                return False
            inside.previous, inside.item = item, len(self.text) + 1
            del self._context[inside.path + 1 :]
        elif self._context[-1] in _DIGITS:
            self._context[:] = self._context.rstrip(_NUMBER)
        return True
