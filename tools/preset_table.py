"""Write the table of presets in docs/models.md, from the presets.

    python tools/preset_table.py

The same bytes each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fieldsmith.recipes import preset_names, read_preset

PAGE = Path(__file__).resolve().parents[1] / "docs" / "models.md"

_BEGIN, _END = "<!-- made by tools/preset_table.py: do not edit -->\n", "<!-- end of presets -->\n"

_HEAD = """\
| preset | model | weights | longest row | rows per step | epochs | rank | learning rate |
|---|---|---|---|---|---|---|---|
"""


def with_table(page: str) -> str:
    """Return the page with the table as it is now."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_HEAD}{''.join(_rows())}\n{_END}{after}"


def _rows() -> Iterator[str]:
    for name in preset_names():
        values = read_preset(name).values
        model = "the embedded model" if values["model"] == "embedded" else values["model"]
        weights = "4 bit" if values["quantize"] == "nf4" else "as they are"
        cells = (
            f"`{name}`",
            f"{model}",
            weights,
            f"{values['max_length']:,}",
            f"{values['batch_size']} x {values['accumulation']}",
            f"{values['epochs']}",
            f"{values['lora_rank']}",
            f"{values['learning_rate']:.0e}".replace("e-0", "e-"),
        )
        yield f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
