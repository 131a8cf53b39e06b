"""Follows an answer byte by byte: where in its structure it stands, where it repeats itself."""

from __future__ import annotations

from dataclasses import dataclass

_QUOTE, _BACKSLASH, _COMMA = b'"\\,'
_OPEN, _CLOSE, _NUMBER = b"[{", b"]}", b"0123456789.+-eE"


@dataclass
class _Container:
    """A list or an object that is being written.

    place: where it stands in the outline's place.
    item: where its present item began, in the answer.
    previous: the item before that.
    """

    is_list: bool
    place: int
    item: int
    previous: bytes | None = None


class Outline:
    """The structure of compact JSON up to where it is written.

    text: what is written.
    string: where the string that is being written began, behind its quote; None outside of one.
    is_value: whether the last string is a value, not a key.
    value: the last string that is complete and a value.
    """

    def __init__(self) -> None:
        self.text = bytearray()
        self.string: int | None = None
        self.is_value = False
        self.value = b""
        self._escaped = False
        self._open: list[_Container] = []
        self._place = bytearray()
        self._begin = 0  # where in the place the last string began

    @property
    def place(self) -> bytes:
        """What is written, without the contents of values that are complete.

        Of a list it tells whether it is empty and of an open one whether an item stands before,
        so that equal places are likely to go on alike.
        """
        return bytes(self._place)

    @property
    def field(self) -> bytes:
        """The place at which the last string began."""
        return bytes(self._place[: self._begin])

    def write(self, data: bytes, *, repeats: bool = False) -> int:
        """Follow bytes; return how many.

        repeats: whether to go on at a comma behind an item of a list that is equal to the item
            before it.
        """
        for count, byte in enumerate(data):
            if self.string is not None:
                self._in_string(byte)
            elif byte == _QUOTE:
                self._begin = len(self._place)
                self.is_value = self._open[-1].is_list or self._place[-1] not in b"{,"
                self.string = len(self.text) + 1
            elif byte == _COMMA:
                if not self._next_item(repeats=repeats):
                    return count
            elif byte in _OPEN:
                is_list = byte == _OPEN[0]
                self._open.append(_Container(is_list, len(self._place), len(self.text) + 1))
            elif byte in _CLOSE:
                closed = self._open.pop()
                empty = closed.item == len(self.text)
                self._place[closed.place :] = b"" if empty else b"."
            self.text.append(byte)
            self._place.append(byte)
        return len(data)

    def _in_string(self, byte: int) -> None:
        if self._escaped:
            self._escaped = False
        elif byte == _BACKSLASH:
            self._escaped = True
        elif byte == _QUOTE:
            if self.is_value:
                self.value = bytes(self.text[self.string :])
                del self._place[self._begin :]
            self.string = None

    def _next_item(self, *, repeats: bool) -> bool:
        """Begin an item of the innermost container, unless a list repeats itself."""
        inside = self._open[-1]
        if inside.is_list:
            item = bytes(self.text[inside.item :])
            if item == inside.previous and not repeats:
                return False
            inside.previous, inside.item = item, len(self.text) + 1
            del self._place[inside.place + 1 :]
        elif self._place[-1] in _NUMBER[:10]:
            self._place[:] = self._place.rstrip(_NUMBER)
        return True
