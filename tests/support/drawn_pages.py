"""PDFs that are drawn word by word: two columns, headers, broken words, ligatures, turned pages.

What is drawn where is written down as it is drawn, on the page as it will be shown.
"""

from __future__ import annotations

import io
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import reportlab
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = 595.0, 842.0
FONTS = ("Times-Roman", "Helvetica", "Vera")
SIZE = 10.0
LEADING = 12.5
COLUMN = 230.0
LEFT, RIGHT = 55.0, 310.0
HYPHEN_PART = 4
"""A word is broken after so many letters where it does not fit the line."""

_SYLLABLES = "ba co di fu ga le mi no pra que ro sta ti ul ver xo ya zen al en or is".split()
_LIGATURES = {"fi": "\ufb01", "fl": "\ufb02"}

pdfmetrics.registerFont(
    TTFont("Vera", os.path.join(os.path.dirname(reportlab.__file__), "fonts", "Vera.ttf"))
)


@dataclass(frozen=True)
class Drawn:
    """A word, or the part of one that is in a line, and where its middle is on the shown page."""

    text: str
    page: int
    x: float
    y: float


@dataclass
class Drawing:
    """A PDF that is being drawn, and what is in it in reading order.

    Attributes:
        turns: degrees by which each page is turned clockwise when it is shown.
        words: what was drawn.
    """

    turns: Sequence[int]
    words: list[Drawn] = field(default_factory=list)
    page: int = 0

    def __post_init__(self) -> None:
        self._stream = io.BytesIO()
        self.canvas = Canvas(self._stream, pagesize=(WIDTH, HEIGHT), invariant=1)

    def next_page(self) -> None:
        """Begin a page."""
        if self.page:
            self.canvas.showPage()
        turn = self.turns[self.page % len(self.turns)]
        # The canvas takes the size of the page as it is shown.
        self.canvas.setPageRotation(turn)
        self.canvas.setPageSize((HEIGHT, WIDTH) if turn in (90, 270) else (WIDTH, HEIGHT))
        self.page += 1

    def write(self, x: float, y: float, words: Sequence[str], font: str, size: float) -> None:
        """Draw a line whose baseline begins at a point, from the lower left corner."""
        canvas, start = self.canvas, x
        canvas.setFont(font, size)
        space = pdfmetrics.stringWidth(" ", font, size)
        for word in words:
            drawn = word
            if font == "Vera":
                for letters, ligature in _LIGATURES.items():
                    drawn = drawn.replace(letters, ligature)
            width = pdfmetrics.stringWidth(drawn, font, size)
            self.words.append(self._placed(word, start + width / 2, y + size / 4))
            start += width + space
        line = " ".join(words)
        if font == "Vera":
            for letters, ligature in _LIGATURES.items():
                line = line.replace(letters, ligature)
        canvas.drawString(x, y, line)

    def _placed(self, text: str, x: float, y: float) -> Drawn:
        turn = self.turns[(self.page - 1) % len(self.turns)]
        shown = {0: (x, HEIGHT - y), 90: (y, x), 180: (WIDTH - x, y), 270: (HEIGHT - y, WIDTH - x)}
        return Drawn(text, self.page, *shown[turn])

    def content(self) -> bytes:
        """Return the PDF."""
        self.canvas.save()
        return self._stream.getvalue()


def word(chance: random.Random) -> str:
    """Return an invented word, now and then with a ligature."""
    syllables = chance.choices(_SYLLABLES, k=chance.randint(1, 5))
    if chance.random() < 0.1:
        syllables.insert(1, chance.choice(["fi", "fl"]))
    return "".join(syllables)


def columns(seed: int, turns: Sequence[int] = ()) -> Drawing:
    """Draw an invented paper: header, title, two columns a page, footer; some pages are turned.

    Its last column ends early, a line that is too long ends with a broken word, and the columns
    need not be at the same height.

    Args:
        seed: papers of different seeds differ.
        turns: how the pages are turned; () for any.
    """
    chance = random.Random(seed)
    any_turns = [chance.choice([0, 0, 90, 180, 270]) for _ in range(chance.randint(1, 3))]
    drawing = Drawing(turns or any_turns)
    font = FONTS[seed % len(FONTS)]
    bold = "Helvetica-Bold"
    for number in range(1, len(drawing.turns) + 1):
        drawing.next_page()
        drawing.write(LEFT, 800, ["Journal", "of", word(chance)], "Helvetica", 8)
        drawing.write(500, 800, [str(number)], "Helvetica", 8)
        top = 760.0
        if number == 1:
            title = [word(chance).title() for _ in range(5)]
            while pdfmetrics.stringWidth(" ".join(title), bold, 16) > WIDTH - 180:
                title.pop()
            drawing.write(120, 750, title, bold, 16)
            top = 715.0
        for left in (LEFT, RIGHT):
            lines = chance.randint(25, 45)
            y = top - chance.choice([0, 3])
            rest = ""
            for _ in range(lines):
                line, rest = _filled(chance, rest, font)
                drawing.write(left, y, line, font, SIZE)
                y -= LEADING
        drawing.write(280, 40, [word(chance), "footer"], "Helvetica", 8)
    return drawing


def _filled(chance: random.Random, rest: str, font: str) -> tuple[list[str], str]:
    """Return a line of words that fills a column, and what of its last word is on the next."""
    line = [rest] if rest else []
    while True:
        new = word(chance)
        if pdfmetrics.stringWidth(" ".join([*line, new]), font, SIZE) <= COLUMN:
            line.append(new)
            continue
        part = f"{new[:HYPHEN_PART]}-"
        is_broken = len(new) >= HYPHEN_PART + 2
        if is_broken and pdfmetrics.stringWidth(" ".join([*line, part]), font, SIZE) <= COLUMN:
            return [*line, part], new[HYPHEN_PART:]
        return line, ""


def scan() -> bytes:
    """Return a PDF of one page without text, on which a picture is drawn."""
    from PIL import Image

    drawing = Drawing([0])
    drawing.next_page()
    drawing.canvas.drawImage(ImageReader(Image.new("RGB", (20, 20), "gray")), 100, 100, 300, 300)
    return drawing.content()


def encrypted(password: str) -> bytes:
    """Return a PDF that is opened with a password."""
    from reportlab.lib.pdfencrypt import StandardEncryption

    stream = io.BytesIO()
    canvas = Canvas(stream, encrypt=StandardEncryption(password, strength=128))
    canvas.drawString(100, 700, "Secret")
    canvas.save()
    return stream.getvalue()


def pdf_of_objects(*objects: bytes) -> bytes:
    """Return a PDF of objects as they are written, the first of which is the catalog."""
    content, places = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return content + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer << /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (size, table, size, len(content))
    )


def stream_of(data: bytes, entries: bytes = b"") -> bytes:
    """Return a stream object of a PDF."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), entries, data)
