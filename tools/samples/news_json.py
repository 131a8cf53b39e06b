"""Write the sample of news_json: invented articles as article JSONL, always the same bytes.

    python tools/samples/news_json.py [FOLDER]

FOLDER is plugins/news_json/sample unless another one is given. Every place, person, paper and
insurer is made up from syllables, addresses end in ``.example``, and nothing here happened. The
test documents tell stories that neither train nor validation tells. Layout is the loader's work,
see plugins/news_json/layout.py: it goes by the ids that are given out here.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 20260211
SIZES = {"train": 240, "validation": 30, "test": 50}
FOLDER = Path(__file__).parents[2] / "plugins" / "news_json" / "sample"

LONG = 0.4
"""Share of the English articles that are long: 320 tokens of the embedded model and more."""

HELD_OUT = 2
"""How many of a language's stories, the last ones, are told in the test documents alone."""


@dataclass(frozen=True)
class Language:
    """What articles of a language are made of.

    The words in braces are filled in: place, river, person, number, insurer, country.

    countries: by code, as the language calls them.
    stories: headline and first paragraph.
    teasers: standfirsts that fit any story.
    others: sentences that fit any story.
    hits: sentences that name an insurer, which is what the monitor searches for.
    space: what stands between two sentences.
    """

    tag: str
    countries: dict[str, str]
    sites: tuple[str, ...]
    insurers: tuple[str, ...]
    places: tuple[tuple[str, ...], tuple[str, ...]]
    first_names: tuple[str, ...]
    last_names: tuple[tuple[str, ...], tuple[str, ...]]
    topics: tuple[str, ...]
    stories: tuple[tuple[str, str], ...]
    teasers: tuple[str, ...]
    others: tuple[str, ...]
    hits: tuple[str, ...]
    space: str = " "


ENGLISH = Language(
    "en",
    {
        "IE": "Ireland",
        "GB": "the United Kingdom",
        "US": "the United States",
        "AU": "Australia",
    },
    ("The {place} Post", "{place} Herald", "The Daily {place}", "{place} Today", "Radio {place}"),
    ("{} Insurance", "{} Mutual", "{} Assurance"),
    (
        ("Vel", "Marn", "Osk", "Tarr", "Hend", "Quil", "Brae", "Lost"),
        ("lin", "wick", "ford", "ham", "more", "stead"),
    ),
    ("Jane", "Orla", "Tom", "Priya", "Declan", "Ruth", "Sam", "Nadia", "Owen"),
    (("Arb", "Kest", "Moll", "Fenn", "Dray", "Wex"), ("ley", "rick", "oway", "ard", "ington")),
    ("Local", "Business", "Environment", "Transport"),
    (
        (
            "Storm tears roofs off {number} homes in {place}",
            "A storm on Monday night tore the roofs off {number} homes in {place}, near the bay.",
        ),
        (
            "{place} bridge to close for {number} weeks",
            "The bridge over the {river} will close for {number} weeks, the town of {place} said.",
        ),
        (
            "School in {place} wins prize for its garden",
            "Pupils in {place} have won a national prize for a garden that they dug themselves.",
        ),
        (
            "Museum of clocks opens at last in {place}",
            "After {number} years of delays, the museum of clocks has opened its doors in {place}.",
        ),
        (
            "Ferry runs aground near {place}, nobody hurt",
            "A ferry with {number} people on board ran aground near {place} in thick fog.",
        ),
        (
            "Farmers fear for the harvest as the {river} runs dry",
            "Farmers around {place} fear for the harvest after {number} days without rain.",
        ),
        (
            "Why {place} is counting its owls",
            "Volunteers went out at dusk with notebooks and torches to count the owls of {place}.",
        ),
        (
            "'We heard a bang': factory fire in {place}",
            "A fire in a paint factory kept {number} firefighters in {place} busy until morning.",
        ),
        (
            "Night buses return to {place} after {number} years",
            "From Friday the last bus will leave the market of {place} at two in the morning.",
        ),
        (
            "{person} to lead the harbour of {place}",
            "The harbour of {place} has a new head: {person} takes over in the autumn.",
        ),
    ),
    (
        "What we know so far.",
        "A small town looks back on a long night.",
        "Plans have been on the table for years, now things move fast.",
    ),
    (
        '"We did not expect this," said {person}, who has lived in {place} for {number} years.',
        "The council will meet again on Thursday.",
        "It is the second time in {number} months.",
        "People across {country} have followed the news.",
        "Work is due to begin in spring and to cost {number} million.",
        "Police asked witnesses to come forward.",
        "Nobody from the company was there to answer questions.",
        "{person}, a retired engineer, had warned of this {number} months ago.",
        "Some {number} people came to a meeting in the town hall to hear what happens next.",
        'Others shrug: "It has always been like this here," said a woman at the market.',
        "The road along the {river} stays closed, and buses take the way through the hills.",
        "In a letter to the council, {number} residents ask for a new study.",
        "Experts from the university of {place} want to look at the plans again.",
    ),
    (
        "{insurer} said it had received {number} claims so far.",
        "According to {insurer}, damage of this kind is covered.",
        "A spokeswoman for {insurer} declined to comment.",
        "Shares in {insurer} fell by {number} per cent.",
    ),
)
GERMAN = Language(
    "de",
    {"DE": "Deutschland", "AT": "Österreich"},
    ("{place}er Anzeiger", "{place}er Zeitung", "Tagblatt {place}", "Radio {place}"),
    ("{} Versicherung", "{}er Lebensversicherung", "{} Assekuranz"),
    (("Wald", "Ober", "Stein", "Krumm", "Hollen", "Eber"), ("brück", "au", "feld", "bach", "ried")),
    ("Anna", "Jonas", "Greta", "Emre", "Lukas", "Petra"),
    (("Hall", "Bren", "Stolz", "Kief", "Wend"), ("huber", "mann", "ner", "ing")),
    ("Lokales", "Wirtschaft", "Verkehr"),
    (
        (
            "Sturm deckt in {place} {number} Dächer ab",
            "Ein Sturm hat in der Nacht auf Dienstag in {place} {number} Dächer abgedeckt.",
        ),
        (
            "Brücke bei {place} {number} Wochen gesperrt",
            "Die Brücke über die {river} bleibt bei {place} {number} Wochen lang gesperrt.",
        ),
        (
            "Schule aus {place} gewinnt Preis für Garten",
            "Kinder aus {place} haben für ihren Schulgarten einen Preis bekommen.",
        ),
        (
            "Fähre läuft vor {place} auf Grund",
            "Eine Fähre mit {number} Menschen an Bord ist vor {place} auf Grund gelaufen.",
        ),
        (
            "Warum {place} seine Eulen zählt",
            "Freiwillige zogen in der Dämmerung los, um die Eulen von {place} zu zählen.",
        ),
        (
            "Brand in Lackfabrik hält {place} wach",
            "Ein Feuer in einer Lackfabrik hat {number} Feuerwehrleute in {place} beschäftigt.",
        ),
        (
            "Nachtbus fährt wieder nach {place}",
            "Nach {number} Jahren fährt ab Freitag wieder ein Nachtbus nach {place}.",
        ),
    ),
    ("Was bisher bekannt ist.", "Eine Kleinstadt nach einer langen Nacht."),
    (
        "„Damit hat niemand gerechnet“, sagte {person}.",
        "Der Gemeinderat berät am Donnerstag weiter.",
        "In ganz {country} wird darüber gesprochen.",
        "Die Polizei sucht Zeugen.",
        "Die Arbeiten kosten {number} Millionen.",
    ),
    (
        "Die {insurer} zählt bisher {number} Schäden.",
        "Nach Angaben der {insurer} ist der Schaden gedeckt.",
        "Eine Sprecherin der {insurer} wollte sich nicht äußern.",
    ),
)
FRENCH = Language(
    "fr",
    {"FR": "France", "BE": "Belgique"},
    ("Le Courrier de {place}", "La Voix de {place}", "{place} Matin"),
    ("{} Assurances", "Mutuelle {}"),
    (("Mont", "Saul", "Bell", "Char", "Vill"), ("vray", "onne", "ac", "eux", "igny")),
    ("Camille", "Hugo", "Awa", "Inès", "Paul"),
    (("Bor", "Lav", "Mour", "Tess"), ("delle", "ier", "ange", "aud")),
    ("Région", "Économie"),
    (
        (
            "Tempête à {place} : {number} toits arrachés",
            "Une tempête a arraché {number} toits à {place} dans la nuit de lundi à mardi.",
        ),
        (
            "Le pont de {place} fermé pendant {number} semaines",
            "Le pont sur la {river} ferme pendant {number} semaines, dit la mairie de {place}.",
        ),
        (
            "À {place}, l'école récompensée pour son jardin",
            "Les élèves de {place} ont reçu un prix pour le jardin qu'ils ont créé.",
        ),
        (
            "Un ferry s'échoue devant {place}",
            "Un ferry avec {number} personnes à bord s'est échoué devant {place}.",
        ),
        (
            "Pourquoi {place} compte ses chouettes",
            "Des bénévoles sont partis au crépuscule compter les chouettes de {place}.",
        ),
        (
            "Les bus de nuit reviennent à {place}",
            "Après {number} ans, les bus de nuit circulent de nouveau à {place}.",
        ),
    ),
    ("Ce que l'on sait.", "Le projet attendait depuis des années."),
    (
        "« Personne ne s'y attendait », dit {person}.",
        "Le conseil se réunit jeudi.",
        "En {country}, la nouvelle a surpris.",
        "Les travaux coûteront {number} millions.",
    ),
    (
        "{insurer} a reçu {number} déclarations.",
        "Selon {insurer}, les dégâts sont couverts.",
        "{insurer} n'a pas souhaité répondre.",
    ),
)
SPANISH = Language(
    "es",
    {"ES": "España", "MX": "México"},
    ("El Diario de {place}", "La Tribuna de {place}", "{place} Hoy"),
    ("Seguros {}", "{} Seguros"),
    (("Villa", "Monte", "Rio", "Puebla"), ("cal", "rando", "luz", "mera")),
    ("Lucía", "Andrés", "Marta", "Diego"),
    (("Cor", "Zam", "Bel", "Ord"), ("bera", "oro", "tran", "uela")),
    ("Local", "Economía"),
    (
        (
            "Un temporal arranca {number} tejados en {place}",
            "Un temporal arrancó el lunes {number} tejados en {place}.",
        ),
        (
            "El puente de {place} cierra {number} semanas",
            "El puente sobre el {river} cerrará {number} semanas, dijo el alcalde de {place}.",
        ),
        (
            "Premio para el huerto de una escuela de {place}",
            "Los alumnos de {place} han ganado un premio por su huerto.",
        ),
        (
            "Encalla un barco frente a {place}",
            "Un barco con {number} personas a bordo encalló frente a {place}.",
        ),
        (
            "Por qué {place} cuenta sus búhos",
            "Voluntarios salieron al anochecer a contar los búhos de {place}.",
        ),
        (
            "Vuelven los autobuses nocturnos a {place}",
            "Después de {number} años, {place} recupera sus autobuses nocturnos.",
        ),
    ),
    ("Esto es lo que se sabe.", "El plan llevaba años sobre la mesa."),
    (
        "«Nadie lo esperaba», dijo {person}.",
        "El pleno se reúne el jueves.",
        "En {country} la noticia sorprendió.",
        "Las obras costarán {number} millones.",
    ),
    (
        "{insurer} ha recibido {number} partes.",
        "Según {insurer}, los daños están cubiertos.",
        "{insurer} no quiso hacer comentarios.",
    ),
)
ITALIAN = Language(
    "it",
    {"IT": "Italia", "CH": "Svizzera"},
    ("Il Giornale di {place}", "La Gazzetta di {place}", "{place} Oggi"),
    ("{} Assicurazioni",),
    (("Castel", "Mont", "Serr", "Porto"), ("vano", "alto", "ella", "iglio")),
    ("Chiara", "Luca", "Elena", "Marco"),
    (("Ber", "Gal", "Mor", "Tav"), ("tini", "assi", "eschi", "ano")),
    ("Cronaca", "Economia"),
    (
        (
            "Tempesta a {place}, scoperchiate {number} case",
            "Una tempesta ha scoperchiato {number} case a {place}.",
        ),
        (
            "Chiude per {number} settimane il ponte di {place}",
            "Il ponte sul {river} chiude per {number} settimane, dice il sindaco di {place}.",
        ),
        (
            "L'orto di una scuola di {place} vince un premio",
            "I bambini di {place} hanno vinto un premio per il loro orto.",
        ),
        (
            "Perché {place} conta i suoi gufi",
            "I volontari sono usciti al tramonto per contare i gufi di {place}.",
        ),
        (
            "Tornano gli autobus notturni a {place}",
            "Dopo {number} anni tornano gli autobus notturni a {place}.",
        ),
    ),
    ("Che cosa sappiamo.",),
    (
        "«Nessuno se l'aspettava», dice {person}.",
        "Il consiglio si riunisce giovedì.",
        "Se ne parla in tutta {country}.",
    ),
    ("{insurer} ha ricevuto {number} denunce.", "Secondo {insurer} i danni sono coperti."),
)
PORTUGUESE = Language(
    "pt",
    {"PT": "Portugal", "BR": "Brasil"},
    ("Jornal de {place}", "Correio de {place}"),
    ("{} Seguros",),
    (("Vila", "Alm", "Pon", "Serra"), ("nova", "eira", "tal", "mar")),
    ("Inês", "Rui", "Beatriz", "Caio"),
    (("Fal", "Mour", "Ser", "Quin"), ("ão", "ato", "ela", "tas")),
    ("Local",),
    (
        (
            "Temporal arranca {number} telhados em {place}",
            "Um temporal arrancou {number} telhados em {place}.",
        ),
        (
            "Ponte de {place} fecha {number} semanas",
            "A ponte sobre o {river} fecha {number} semanas, diz a câmara de {place}.",
        ),
        (
            "Horta de escola de {place} ganha prémio",
            "Os alunos de {place} ganharam um prémio pela sua horta.",
        ),
        (
            "Porque é que {place} conta as suas corujas",
            "Voluntários saíram ao anoitecer para contar as corujas de {place}.",
        ),
        (
            "Barco encalha ao largo de {place}",
            "Um barco com {number} pessoas encalhou ao largo de {place}.",
        ),
    ),
    ("O que se sabe.",),
    (
        "«Ninguém esperava isto», disse {person}.",
        "A câmara reúne na quinta-feira.",
        "A notícia correu {country}.",
    ),
    (
        "A {insurer} recebeu {number} participações.",
        "Segundo a {insurer}, os danos estão cobertos.",
    ),
)
GREEK = Language(
    "el",
    {"GR": "Ελλάδα"},
    ("Φωνή {place}", "{place} Σήμερα"),
    ("{} Ασφαλιστική",),
    (("Μελ", "Καρ", "Βαθ"), ("ίνα", "ούσα", "ερά")),
    ("Ελένη", "Νίκος", "Μαρία"),
    (("Βαλ", "Μερ", "Τσακ"), ("ίδης", "άκης", "έλλης")),
    ("Τοπικά",),
    (
        ("Καταιγίδα στη {place}", "Καταιγίδα πήρε {number} στέγες στη {place}."),
        ("Κλείνει η γέφυρα στη {place}", "Η γέφυρα κλείνει για {number} εβδομάδες."),
        ("Βραβείο για σχολείο στη {place}", "Μαθητές πήραν βραβείο για τον κήπο τους."),
        ("Φωτιά σε εργοστάσιο στη {place}", "Φωτιά ξέσπασε τη νύχτα σε εργοστάσιο."),
    ),
    ("Τι ξέρουμε.",),
    (
        "Κανείς δεν το περίμενε.",
        "Το συμβούλιο συνεδριάζει την Πέμπτη.",
        "Το νέο ακούστηκε σε όλη την {country}.",
    ),
    ("Η {insurer} δέχτηκε {number} αιτήσεις.",),
)
JAPANESE = Language(
    "ja",
    {"JP": "日本"},
    ("{place}新報", "{place}日日"),
    ("{}保険",),
    (("青", "砂", "月", "霧"), ("浜", "瀬", "岡")),
    ("律子", "直人", "美波"),
    (("青", "砂", "柳"), ("塚", "倉", "津")),
    ("地域",),
    (
        ("{place}で嵐、屋根{number}棟被害", "月曜の夜、{place}で屋根{number}棟が飛んだ。"),
        ("{place}の橋、{number}週間通行止め", "{place}の橋が{number}週間閉まる。"),
        ("{place}の学校に園芸賞", "{place}の児童が庭で賞を得た。"),
        ("{place}で深夜バス再開", "{number}年ぶりに深夜バスが走る。"),
    ),
    ("分かったこと。",),
    ("誰も予想しなかった。", "木曜に会議がある。"),
    ("{insurer}は{number}件を受け付けた。",),
    space="",
)

MIX = (
    (ENGLISH, 10), (GERMAN, 5), (FRENCH, 4), (SPANISH, 4), (ITALIAN, 2), (PORTUGUESE, 2),
    (GREEK, 2), (JAPANESE, 2),
)  # fmt: skip


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the split and the row of each article."""
    number = 0
    for split, size in SIZES.items():
        for position in range(size):
            number += 1
            draw = random.Random(f"{SEED} {number}")
            yield split, _row(f"sample-{number:04}", _language(position), split, draw)


def files() -> dict[str, str]:
    """Return the text of each file by its name."""
    lines: dict[str, list[str]] = {split: [] for split in SIZES}
    for split, row in rows():
        lines[split].append(json.dumps(row, ensure_ascii=False) + "\n")
    return {f"{split}.jsonl": "".join(inside) for split, inside in lines.items()}


def _language(position: int) -> Language:
    """Take the languages in turn, each as often as ``MIX`` says."""
    turns = [language for language, times in MIX for _ in range(times)]
    return turns[position * 7 % len(turns)]


def _row(document_id: str, language: Language, split: str, draw: random.Random) -> dict[str, Any]:
    country = draw.choice(sorted(language.countries))
    words = _words(language, country, draw)
    shared = len(language.stories) - HELD_OUT
    stories = language.stories[shared:] if split == "test" else language.stories[:shared]
    title, opening = (text.format(**words) for text in draw.choice(stories))
    others = _others(language, words, draw)
    hit = _told(draw.choice(language.hits), words, draw) if draw.random() < 0.7 else None
    if hit:
        others.insert(draw.randint(0, len(others)), hit)
    site = draw.choice(language.sites).format(**words)
    row: dict[str, Any] = {
        "id": document_id,
        "title": title,
        "authors": _authors(language, draw),
        "site_name": site if draw.random() < 0.92 else None,
        "country": country.lower(),
        "lang": draw.choice((language.tag, f"{language.tag}-{country}")),
        "url": _url(site, country, draw) if draw.random() < 0.75 else None,
        "publishing_date": _date(draw),
        "topics": [draw.choice(language.topics)],
        "summary": [draw.choice(language.teasers)] if draw.random() < 0.25 else [],
        "paragraphs": [opening, *_paragraphs(others, language.space, draw)],
    }
    if draw.random() < 0.85:  # the others come from sources that have no such snippet
        row["hit_sentence"] = f"... {hit} ..." if hit else None
    is_told = row["url"] or any(words["country"] in sentence for sentence in others)
    absent = {"country"} if not is_told else set()
    absent |= {key for key in ("authors", "country", "lang") if draw.random() < 0.03}
    return {key: value for key, value in row.items() if key not in absent}


def _others(language: Language, words: dict[str, str], draw: random.Random) -> list[str]:
    """Return some sentences, or so many that the page is a long one."""
    known = language.others
    if language is ENGLISH and draw.random() < LONG:
        rounds = [draw.sample(known, len(known)) for _ in range(draw.randint(1, 2))]
        return [_told(text, words, draw) for texts in rounds for text in texts]
    number = draw.randint(1, min(3, len(known)))
    return [_told(text, words, draw) for text in draw.sample(known, number)]


def _told(text: str, words: dict[str, str], draw: random.Random) -> str:
    """Return a sentence about a number of its own."""
    return text.format(**words | {"number": str(draw.randint(2, 90))})


def _paragraphs(sentences: list[str], space: str, draw: random.Random) -> list[str]:
    paragraphs = []
    while sentences:
        cut = draw.randint(1, 3)
        paragraphs.append(space.join(sentences[:cut]))
        sentences = sentences[cut:]
    return paragraphs


def _words(language: Language, country: str, draw: random.Random) -> dict[str, str]:
    return {
        "place": _made(language.places, draw),
        "river": _made(language.places, draw),
        "person": _person(language, draw),
        "number": str(draw.randint(2, 90)),
        "insurer": draw.choice(language.insurers).format(_made(language.places, draw)),
        "country": language.countries[country],
    }


def _authors(language: Language, draw: random.Random) -> list[str]:
    number = draw.choice((0, 1, 1, 1, 1, 1, 2, 3))
    return list(dict.fromkeys(_person(language, draw) for _ in range(number)))


def _person(language: Language, draw: random.Random) -> str:
    first, last = draw.choice(language.first_names), _made(language.last_names, draw)
    return f"{last}{first}" if language is JAPANESE else f"{first} {last}"


def _made(syllables: tuple[Sequence[str], Sequence[str]], draw: random.Random) -> str:
    return draw.choice(syllables[0]) + draw.choice(syllables[1])


def _date(draw: random.Random) -> str:
    return f"20{draw.randint(19, 25)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"


def _url(site: str, country: str, draw: random.Random) -> str:
    """Return an address that nobody can have: its ending is reserved for examples (RFC 2606)."""
    name = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in site).split())
    host = (name or f"paper{draw.randint(1, 99)}").lower()
    return f"https://{host}.example/{country.lower()}/{draw.randint(1000, 9999)}"


def main(folder: Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_bytes(text.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
