"""Forms and records: labelled values such as an invoice's, with rows of items below them."""

from __future__ import annotations

from collections.abc import Callable

from .layout import Page
from .values import LANGUAGES, NOISE, ROLES, Maker

Draw = Callable[[Maker], str]

_PRODUCTS = (
    "desk lamp|steel bottle|garden chair|office chair|router|winter jacket|kettle|bicycle|backpack|"
    "water pump|notebook|printer cartridge|LED panel|headphones|coffee mill|tent|drill|monitor"
)
_FOODS = (
    "flour|sugar|butter|olive oil|tomatoes|onions|rice|red lentils|coconut milk|eggs|salt|cumin|"
    "carrots|garlic|parsley|chicken thighs|lemon juice|yoghurt|potatoes|black beans"
)
_JOBS = (
    "Data Analyst|Nurse|Software Engineer|Electrician|Research Assistant|Truck Driver|Teacher|"
    "Project Manager|Postdoctoral Fellow|Accountant|Sales Representative|Chef|Lab Technician"
)


def _either(options: str) -> Draw:
    return lambda m: m.either(options)


def _number(low: int, high: int, form: str = "{}") -> Draw:
    return lambda m: form.format(m.number(low, high))


def _named(options: str) -> Draw:
    """An invented name before one of the options."""
    return lambda m: f"{m.name()} {m.either(options)}"


def _measured(low: int, high: int, units: str) -> Draw:
    return lambda m: f"{m.number(low, high)} {m.either(units)}"


def _decimal(low: int, high: int) -> Draw:
    return lambda m: f"{m.number(low, high)}.{m.number(0, 9)}"


def _remark(m: Maker) -> str:
    return m.sentence()[:200]


def _street(m: Maker) -> str:
    return f"{m.number(1, 300)} {m.name()} Street"


def _weight(m: Maker) -> str:
    return f"{_decimal(1, 90)(m)} {m.either('kg|g|lb')}"


def _rating(m: Maker) -> str:
    return f"{_decimal(1, 4)(m)}/5"


def _dimensions(m: Maker) -> str:
    return f"{m.number(2, 99)} x {m.number(2, 99)} x {m.number(2, 99)} cm"


def _digits(count: int) -> Draw:
    return lambda m: m.digits(count)


# The labels on the page, the names in the question, the value.
_FORMS: dict[str, tuple[tuple[str, str, Draw], ...]] = {
    "invoice": (
        ("Invoice No.|Invoice number|Rechnung Nr.", "invoice_number number id", Maker.code),
        ("Date|Invoice date", "date invoice_date", Maker.date),
        ("Due|Payment due|Due date", "due_date due", Maker.date),
        ("Bill to|Customer|Client", "customer client bill_to", Maker.person),
        ("From|Seller|Vendor", "seller vendor supplier", Maker.organisation),
        ("Total|Amount due|Grand total", "total amount_due", Maker.amount),
        ("VAT|Tax", "tax vat", Maker.amount),
        ("Customer ID|Account", "customer_id account", Maker.code),
    ),
    "job": (
        ("Position|Job title|Role", "job_title position role", _either(_JOBS)),
        ("Company|Employer", "company employer", Maker.organisation),
        ("Location|Place of work", "location city", Maker.city),
        ("Salary|Pay", "salary pay", Maker.amount),
        ("Start|Start date", "start_date start", Maker.date),
        ("Apply by|Deadline", "deadline apply_by", Maker.date),
        ("Contact|Questions to", "contact contact_person", Maker.person),
        ("E-mail|Apply to", "email", Maker.mail),
        ("Reference|Ref", "reference job_id", Maker.code),
        ("Languages", "languages", _either(LANGUAGES)),
    ),
    "apartment": (
        ("Address|Street", "address street", _street),
        ("City|Town", "city", Maker.city),
        ("Rent|Monthly rent|Price", "rent price", Maker.amount),
        ("Rooms|Bedrooms", "rooms bedrooms", _number(1, 9)),
        ("Size|Living area", "size area", _measured(18, 300, "m²|sqm|sq ft")),
        ("Available from|Free from", "available_from", Maker.date),
        ("Floor", "floor", _either("ground floor|1st|2nd|3rd|5")),
        ("Agent|Landlord", "agent landlord contact", Maker.person),
        ("Phone|Tel.", "phone", Maker.phone),
    ),
    "contact": (
        ("Name", "name full_name", Maker.person),
        ("Company|Organisation", "company organisation", Maker.organisation),
        ("Title|Position", "job_title role", _either(ROLES)),
        ("Phone|Tel|Telephone", "phone telephone", Maker.phone),
        ("Fax", "fax", Maker.phone),
        ("E-mail|Email|Mail", "email", Maker.mail),
        ("Web|Website|Homepage", "website url", Maker.url),
        ("City", "city", Maker.city),
        ("Country", "country", Maker.country),
        ("Postcode|ZIP", "postcode zip", _digits(5)),
    ),
    "event": (
        ("Event|Title|What", "event title name", Maker.title),
        ("Date|When", "date when", Maker.date),
        ("Time|Begins", "time start_time", Maker.time),
        ("Venue|Where", "venue place", _named("Hall|Centre|Theatre|Library")),
        ("City", "city", Maker.city),
        ("Speaker|Host", "speaker host", Maker.person),
        ("Admission|Tickets|Fee", "price admission fee", Maker.amount),
        ("Register at|Registration", "registration_url url", Maker.url),
        ("Organiser|Organized by", "organiser organizer", Maker.organisation),
    ),
    "product": (
        ("Product|Item", "product name", _named(_PRODUCTS)),
        ("Brand|Manufacturer", "brand manufacturer", Maker.name),
        ("Price", "price", Maker.amount),
        ("SKU|Article no.|Model", "sku model article_number", Maker.code),
        ("Weight", "weight", _weight),
        ("Dimensions|Size", "dimensions", _dimensions),
        ("Colour|Color", "color colour", _either("black|white|red|dark green|oak|silver")),
        ("Warranty", "warranty", _number(1, 10, "{} years")),
        ("EAN|Barcode", "ean barcode", _digits(13)),
        ("Rating", "rating", _rating),
    ),
    "recipe": (
        ("Recipe|Dish", "recipe title name", _named("soup|cake|curry|salad")),
        ("Serves|Servings|Yield", "servings", _number(1, 12)),
        ("Preparation time|Prep", "prep_time", _number(5, 90, "{} min")),
        ("Cooking time|Cook", "cook_time", _number(5, 180, "{} minutes")),
        ("Author|Recipe by", "author", Maker.person),
        ("Difficulty", "difficulty", _either("easy|medium|hard")),
    ),
    "record": (
        ("ID|Record|Accession", "id record_id", Maker.code),
        ("Patient|Subject|Name", "name patient subject", Maker.person),
        ("Date of birth|Born", "date_of_birth born", Maker.date),
        ("Admitted|Visit", "admitted visit_date", Maker.date),
        ("Physician|Doctor|Examiner", "physician doctor", Maker.person),
        ("Hospital|Site|Ward", "hospital site", Maker.organisation),
        ("Age", "age", _number(1, 99)),
        ("Status|State", "status", _either("open|closed|pending|final|stable")),
        ("Remark|Notes|Comment", "remarks notes comment", _remark),
        ("Weight", "weight", _number(3, 140, "{} kg")),
    ),
}

# What the rows below a form are called, and their columns.
_ROWS: dict[str, tuple[str, dict[str, Draw]]] = {
    "invoice": (
        "items line_items positions",
        {
            "description": _either(_PRODUCTS),
            "quantity": _number(1, 90),
            "price": Maker.amount,
            "code": Maker.code,
        },
    ),
    "product": (
        "variants offers",
        {"variant": Maker.name, "price": Maker.amount, "stock": _number(0, 500)},
    ),
    "recipe": (
        "ingredients",
        {"amount": _measured(1, 900, "g|ml|cups|tbsp"), "name": _either(_FOODS)},
    ),
    "event": (
        "programme sessions talks",
        {"time": Maker.time, "title": Maker.title, "speaker": Maker.person},
    ),
    "contact": (
        "staff members contacts",
        {"name": Maker.person, "phone": Maker.phone, "email": Maker.mail},
    ),
    "record": (
        "measurements results visits",
        {
            "date": Maker.date,
            "test": Maker.topic,
            "value": _decimal(1, 300),
            "unit": _either("mg/dl|mmol/l|bpm|°C|%"),
        },
    ),
    "job": ("other_openings vacancies", {"position": _either(_JOBS), "location": Maker.city}),
    "apartment": ("viewings", {"date": Maker.date, "time": Maker.time}),
}


def form_page(m: Maker) -> Page:
    """A form or record, with some text around it."""
    page = Page()
    kind = m.pick(*_FORMS)
    lines = _entries(m, page, kind)
    rows = _rows(m, page, kind)
    if m.chance(0.5):
        named = kind.capitalize()
        page.blocks.append(m.pick(kind.upper(), named, m.organisation(), f"{named} details"))
    room = m.room - sum(map(len, lines)) - sum(map(len, rows))
    extra = m.fill(room) if room > 150 else []
    note = m.pick("", extra[0] if extra else "")
    page.blocks += [note, *lines]
    page.blocks += rows if m.chance(0.7) or not rows else ["", *rows]
    page.blocks += extra[1:] if note else extra
    if m.chance(0.3):
        page.blocks += m.some(NOISE, 1, 3)
    return page


def _entries(m: Maker, page: Page, kind: str) -> list[str]:
    """The labelled values, in lines; some are left empty or out."""
    entries = list(_FORMS[kind])
    if m.chance(0.4):
        m.random.shuffle(entries)
    share = m.pick(0.6, 0.8, 0.95)
    joint = m.pick(": ", ": ", ": ", ":\t", "\t", " | ", " = ", ":\n", " .... ", " - ", "  ")
    border = joint == " | " and m.chance(0.5)
    lines: list[str] = []
    values: dict[str, str | None] = {}
    for labels, names, draw in entries:
        value = values[names] = draw(m) if m.chance(share) else None
        if value is not None:
            label = m.either(labels)
            line = f"{label.upper() if m.chance(0.1) else label}{joint}{value}"
        elif m.chance(0.25):
            line = f"{labels.split('|')[0]}{joint}{m.either('|-|n/a|—')}"
            line = line if border else line.rstrip()
        else:
            continue
        lines.append(f"| {line} |" if border else line)
    for names, value in values.items():
        page.fact(names, value, often=1.2)
    owner = m.pick("details", kind, "header", "info")
    inner = m.random.sample(list(values), min(len(values), m.number(2, 4)))
    keys = [m.pick(*names.split()) for names in inner]
    if len(set(keys)) == len(keys) and any(values[names] for names in inner):
        nested = {key: values[names] for key, names in zip(keys, inner, strict=True)}
        page.fact(owner, nested, dict.fromkeys(keys), 0.9)
    return lines


def _rows(m: Maker, page: Page, kind: str) -> list[str]:
    """The rows below the form, perhaps under a heading; perhaps none."""
    called, columns = _ROWS[kind]
    rows: list[str] = []
    values: list[dict[str, str]] = []
    if m.chance(0.6):
        most = max(2, min(40, m.room // 90))
        count = m.number(1, m.number(1, most))
        values = [{key: draw(m) for key, draw in columns.items()} for _ in range(count)]
        cell = m.pick(" | ", "\t", ", ", "  ", " – ", "; ")
        if m.chance(0.5):
            rows.append(cell.join(key.capitalize() for key in columns))
        bullet = m.either("||- |* ")
        rows += [bullet + cell.join(row.values()) for row in values]
    page.fact(called, values, [dict.fromkeys(columns)], 1.6)
    first = next(iter(columns))
    page.fact(f"{first}_list all_{first}s", [row[first] for row in values], [None], 0.4)
    return rows
