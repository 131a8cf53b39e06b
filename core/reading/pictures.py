"""Draw pages of a PDF with PDFium (pypdfium2)."""

from __future__ import annotations

import struct
import zlib

from ..errors import InputError

_SCALE = 1.5
"""Pixels a point."""

_LARGEST = 2000
"""Most pixels of a side."""

Size = tuple[float, float]


def draw_page(data: bytes, page: int, *, is_gray: bool = False) -> tuple[bytes, Size]:
    """Return a page as PNG, with its width and height in points.

    Args:
        data: the PDF.
        page: number of the page, from 1.
        is_gray: in shades of gray, which take about half the bytes.

    Raises:
        InputError: it cannot be drawn, or the extra ``pdf`` is not installed; says so without the
            name of the file.
    """
    try:
        import pypdfium2
    except ImportError as error:
        raise InputError(
            "drawing pages needs the extra `pdf`: pip install 'fieldsmith[pdf]'"
        ) from error
    try:
        with pypdfium2.PdfDocument(data) as document:
            if not 1 <= page <= len(document):
                raise InputError(f"has no page {page}; it has {len(document)}")
            document.init_forms()  # without which fields that are filled in are not drawn
            drawn = document[page - 1]
            width, height = drawn.get_size()
            scale = min(_SCALE, _LARGEST / max(width, height, 1.0))
            bitmap = drawn.render(
                scale=scale, rev_byteorder=True, prefer_bgrx=False, grayscale=is_gray
            )
            samples = 1 if is_gray else 3
            pixels = bitmap.to_numpy().reshape(bitmap.height, bitmap.width, -1)
            rows = pixels[:, :, :samples].tobytes()
            return _png(rows, bitmap.width, bitmap.height, samples), (width, height)
    except pypdfium2.PdfiumError as error:
        raise InputError(f"the PDF cannot be drawn ({error}); is it whole?") from error


def _png(rows: bytes, width: int, height: int, samples: int) -> bytes:
    """Return pixels of red, green and blue, or of gray, as PNG."""
    step = samples * width
    # The byte before each row says that it is stored as it is.
    filtered = b"".join(b"\0" + rows[at : at + step] for at in range(0, step * height, step))
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if samples == 3 else 0, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(filtered, 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
