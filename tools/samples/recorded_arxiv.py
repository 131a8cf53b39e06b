"""Write the papers that docs/from-documents.md fetches: listings and PDFs, as arXiv has them.

    python tools/samples/recorded_arxiv.py [FOLDER]

FOLDER is docs/notebooks/arxiv unless another one is given. The papers and their authors are made
up. No month of arXiv has as many papers as their numbers say. The files are named by what
`extract fetch arxiv` asks for: `DAY.xml` is the listing from a day on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks" / "arxiv"

_LEFT = 90.0
_WIDTH = A4[0] - 2 * _LEFT


class Paper(NamedTuple):
    """A paper as it is printed and listed."""

    title: str
    authors: tuple[str, ...]
    place: str
    abstract: str
    introduction: str


class Line(NamedTuple):
    """A paragraph of a page: its text, its font and size, and the space above it."""

    text: str
    font: str
    size: float
    above: float


APRIL = (
    Paper(
        "Counting Swifts from the Sound of One Street",
        ("Marta Lindqvist", "Owen Barrow"),
        "Institute of Urban Ecology, Halden",
        "Swifts are hard to see at dusk and easy to hear. We place one microphone in a street and "
        "estimate how many birds pass by. The estimate agrees with counts by eye on most evenings.",
        "Counts by eye end when it gets dark.",
    ),
    Paper(
        "Short Keys for Long Shelves: Indexing a Village Library",
        ("Teodor Banks",),
        "Library School of Ostrava",
        "A library of four thousand books was ordered by hand for a century. We derive its rules "
        "from the shelves alone and print them as a key of two pages.",
        "Few readers know why a book stands where it stands.",
    ),
    Paper(
        "Do Tides Delay Ferries? Evidence from Twelve Harbours",
        ("Ines Carvalho", "Joost de Wit", "Karin Holm"),
        "Centre for Coastal Transport",
        "Captains say that the tide makes them late. In twelve harbours we compare timetables with "
        "the height of the water. Low water explains a third of the delays, and wind the rest.",
        "A ferry that is late misses its bus.",
    ),
    Paper(
        "A Grammar of Recipe Steps",
        ("Lucia Ferrante", "Pavel Dvorsky"),
        "Department of Linguistics, Siena",
        "Recipes omit what a cook can see. We describe the omitted objects of nine hundred steps "
        "by a small grammar and show that most of them are named in the step before.",
        "Stir until smooth: but what?",
    ),
    Paper(
        "Estimating Snow Load from Roof Photographs",
        ("Henrik Aasen",),
        "Northern School of Engineering",
        "Roofs fail under wet snow. From photographs of a measuring rod we estimate the weight of "
        "the snow on a roof. The error is below a tenth where the rod can be seen whole.",
        "Every winter some roofs are cleared too late.",
    ),
    Paper(
        "Why Small Bakeries Close on Mondays",
        ("Amelie Roux", "Daniel Kessler"),
        "Seminar for Regional Economics",
        "We ask two hundred bakers why their shops are closed on Mondays. Flour is delivered on "
        "Tuesdays, and has been since the mills closed on Sundays.",
        "The day of rest moved, and nobody noticed.",
    ),
    Paper(
        "Low-Cost Sensors for Soil Moisture in Terraced Fields",
        ("Nuria Vidal", "Samir Haddad", "Grace Okafor", "Li Wen"),
        "Laboratory of Dry Land Farming",
        "Terraces dry from the edge. We bury cheap sensors in rows and follow the water for two "
        "seasons. Ten sensors a terrace are enough to decide when to open the channel.",
        "Water is shared by turns that are older than the maps.",
    ),
    Paper(
        "Reading Faded Ink with Three Colours of Light",
        ("Bertil Nyman", "Rosa Delgado"),
        "Archive of the City of Uppsand",
        "Iron ink fades to the colour of paper. Lit by red, blue and violet lamps in turn, letters "
        "come back. We publish the wiring of the lamps and the pages that we read.",
        "The oldest council books cannot be read by daylight.",
    ),
    Paper(
        "Bicycle Bells and Right of Way",
        ("Jonas Albrecht",),
        "Traffic Research Group, Meinheim",
        "Walkers step aside for a bell, and to which side is not known before. We film a path for "
        "thirty days. Most walkers step to the side of the sound.",
        "A bell is a question that is answered by a step.",
    ),
    Paper(
        "How Long Do Paper Maps Last in a Car?",
        ("Siobhan Kerr", "Matteo Greco"),
        "School of Materials, Cork Harbour",
        "Folded maps tear at the corners of their folds. We fold maps of five papers by machine "
        "until they tear, and give a table by which a publisher can choose.",
        "A map is folded wrongly more often than it is read.",
    ),
    Paper(
        "The Vocabulary of Weather Diaries, 1850 to 1900",
        ("Clara Winter", "Ivo Petrov"),
        "Institute for the History of Climate",
        "Farmers wrote down the weather in their own words. From forty diaries we collect words "
        "for rain, and order them by the amount that a gauge in the same valley measured.",
        "Before there were gauges there were adjectives.",
    ),
    Paper(
        "Teaching Fractions with Tiles",
        ("Abena Mensah",),
        "College of Education, Kumasi North",
        "Children who can share a cake cannot always add two thirds and a half. In six schools we "
        "teach fractions with tiles of a floor, and compare with classes that had the book alone.",
        "Floors are where fractions are walked on.",
    ),
    Paper(
        "Heat Loss through Letter Boxes",
        ("Douglas Reid", "Elin Strand", "Fumiko Arai"),
        "Building Physics Unit, Leith",
        "A letter box is a hole in a warm wall. We measure the heat that leaves by it in forty "
        "houses. A brush saves as much in a winter as it costs.",
        "Letters are fewer, and the holes are still there.",
    ),
    Paper(
        "Finding Lost Gliders by the Wind of the Day",
        ("Tomas Urban",),
        "Club for Model Flight, Brno",
        "Model gliders are lost downwind. We simulate their way by the wind that was measured at "
        "the field, and search where most of the simulated ones come down. We found seven of nine.",
        "A glider that flies well is lost first.",
    ),
    Paper(
        "Names of Streets after Trees that Are Gone",
        ("Greta Lund", "Hassan Karimi"),
        "Office of City Planning, Aarby",
        "Every third street of our city is named after a tree. We count the trees, and find the "
        "one in the name in one street of five.",
        "Names stay where roots do not.",
    ),
    Paper(
        "A Queue at a Spring: Waiting without Numbers",
        ("Zofia Malik", "Peter Oduya"),
        "Group for Applied Probability",
        "People at a spring remember who came before them. We model a queue in which everyone "
        "knows one neighbour, and bound the time that someone who forgets loses.",
        "Not all queues are lines.",
    ),
)  # fmt: skip

JUNE = (
    Paper(
        "Sorting Buttons by Touch",
        ("Agnes Moreau", "Ciaran Doyle"),
        "Workshop for Tactile Design",
        "Buttons of one box differ in rim, holes and weight. We ask blind and seeing tailors to "
        "sort them, and find that the rim decides.",
        "A missing button is replaced by the nearest one.",
    ),
    Paper(
        "When Do Church Clocks Agree?",
        ("Walter Imhof",),
        "Society for the Measurement of Time",
        "Four towers of one town strike the hour within ninety seconds. From a year of recordings "
        "we learn which clock is set after which, and draw the tree of corrections.",
        "The town hall is always last.",
    ),
    Paper(
        "Moss as a Record of Salt on Winter Roads",
        ("Riikka Salo", "Antonio Bravo", "Mei Tan"),
        "Department of Botany, Kuusamo",
        "Moss beside roads takes up salt and keeps it. We sample moss at eighty bends and find "
        "that salt is strewn where it is easy to turn, and not where it is steep.",
        "Roads are salted at night, and nobody counts.",
    ),
    Paper(
        "Cheap Repairs of Wooden Boats Compared",
        ("Lars Eide", "Monique Perrin"),
        "Boatyard School, Sandvik",
        "We patch planks with tar, resin and tin and leave them in a harbour for a year. Tin lasts "
        "longest, and tar is repaired again most easily.",
        "A boat is mended by what is at hand.",
    ),
)  # fmt: skip

LISTINGS = (
    ("2024-04-18", "2404.9{number:04}", "18 Apr 2024", APRIL),
    ("2024-06-03", "2406.9{number:04}", "3 Jun 2024", JUNE),
)
"""First day, form of the ids, the day as it is printed, and the papers of each listing."""


def pdf_of(paper: Paper, stamp: str, path: Path) -> None:
    """Write the title page of a paper; the same bytes each time."""
    lines = (
        Line(stamp, "Helvetica", 8, 0),
        Line(paper.title, "Helvetica-Bold", 16, 40),
        Line(", ".join(paper.authors), "Helvetica", 11, 14),
        Line(paper.place, "Helvetica-Oblique", 9, 6),
        Line("Abstract", "Helvetica-Bold", 11, 24),
        Line(paper.abstract, "Helvetica", 10, 4),
        Line("1 Introduction", "Helvetica-Bold", 11, 20),
        Line(paper.introduction, "Helvetica", 10, 4),
    )
    canvas = Canvas(str(path), pagesize=A4, invariant=1, pageCompression=0)
    y = A4[1] - 60.0
    for line in lines:
        y -= line.above
        canvas.setFont(line.font, line.size)
        for part in simpleSplit(line.text, line.font, line.size, _WIDTH):
            y -= 1.25 * line.size
            canvas.drawString(_LEFT, y, part)
    canvas.save()


def listing_of(papers: Sequence[Paper], ids: Sequence[str], day: str) -> str:
    """Return a page of arXiv's listing (Atom)."""
    entries = []
    for paper, identifier in zip(papers, ids, strict=True):
        authors = "".join(f"<author><name>{name}</name></author>" for name in paper.authors)
        entries.append(
            f"  <entry>\n    <id>http://arxiv.org/abs/{identifier}v1</id>\n"
            f"    <published>{day}T12:00:00Z</published>\n"
            f"    <title>{escape(paper.title)}</title>\n"
            f"    <summary>{escape(paper.abstract)}</summary>\n    {authors}\n"
            f'    <category term="physics.soc-ph" scheme="http://arxiv.org/schemas/atom"/>\n'
            f"  </entry>\n"
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
        'xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">\n'
        f"  <opensearch:totalResults>{len(papers)}</opensearch:totalResults>\n"
        f"{''.join(entries)}</feed>\n"
    )


def main(folder: Path) -> None:
    """Write the listings and the PDFs."""
    (folder / "pdf").mkdir(parents=True, exist_ok=True)
    for day, form, printed, papers in LISTINGS:
        ids = [form.format(number=number) for number in range(1, len(papers) + 1)]
        listing = listing_of(papers, ids, day)
        (folder / f"{day.replace('-', '')}.xml").write_text(listing, encoding="utf-8")
        for paper, identifier in zip(papers, ids, strict=True):
            stamp = f"arXiv:{identifier}v1  [physics.soc-ph]  {printed}"
            pdf_of(paper, stamp, folder / "pdf" / f"{identifier}v1")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
