"""Whether a plugin keeps to its contract: a list of plain functions, each named for a promise.

A ``check_…`` takes a ``Subject`` and returns what it found; it raises ``PluginError``, whose
message tells the author what to do. ``extract check`` and ``fieldsmith.testing`` run the same
list. No model is loaded; prompts and answers are written by the tokenizer of the embedded one.
"""

from __future__ import annotations

import ast
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from .contract import shortened
from .damage import BAD_SOURCES, damaged
from .data import Counts, Document, Example, Reject
from .errors import (
    FieldsmithError,
    InputError,
    PluginError,
    SchemaError,
    UnknownFormatError,
    nearest,
)
from .grammar import closing_problem
from .metrics import precision_recall_f1, support
from .rows import build_rows
from .schema import kinds_of, leaves, pointer_of, resolve
from .settings import EMBEDDED, Settings, preset_names
from .sources import read_examples
from .splits import split_documents
from .subject import (
    PROBE,
    SCORED,
    SkippedError,
    Subject,
    authors_line,
    counted_without,
    hash_of_prompts,
    hash_of_rows,
    prompt_texts,
    said,
    settings_under,
)

HEAVY = frozenset(
    "accelerate bitsandbytes bs4 datasets fitz jax llguidance lxml matplotlib nltk pandas "
    "pdfplumber peft PIL polars pyarrow pypdf pypdfium2 rdflib requests scipy sklearn spacy "
    "tensorflow tokenizers torch trafilatura transformers trl".split()
)
"""Libraries that take a tenth of a second or more to import, or that not everybody has."""

_NONE: Counts = (0.0, 0.0, 0.0)

_PERFECT = 1 - 1e-9
"""F1 from which on it is 1 but for rounding."""

_ANNOTATIONS = ("x-source", "x-key", "x-score", "x-normalise")


@dataclass(frozen=True)
class Check:
    """A promise of the contract, whether the plugin keeps it, and what was found.

    state: "expected" is a failure that was announced; "skip" had nothing to go by.
    what: the name of the check.
    """

    state: Literal["ok", "fail", "expected", "skip"]
    what: str
    detail: str


# The module


def check_loads(subject: Subject) -> str:
    """It is installed, imports, and has the four hooks with their arguments."""
    plugin = subject.loading
    if isinstance(plugin, SchemaError):
        return "it does; its schema cannot be used"
    if isinstance(plugin, PluginError):
        raise plugin
    wrapped = "".join(f", wrapped by {name}" for name in plugin.wrappers)
    return f"{plugin.name} ({plugin.distribution} {plugin.version}){wrapped}"


def check_import_is_light(subject: Subject) -> str:
    """Importing it imports no large or optional library."""
    _ = subject.plugin
    heavy = sorted(HEAVY & {name.partition(".")[0] for name in subject.elsewhere.modules})
    if heavy:
        raise PluginError(
            f"importing {subject.module} imports {', '.join(heavy)}, and every command waits for "
            f"that; import it inside the function that uses it"
        )
    return f"{subject.module} imports none of the {len(HEAVY)} that are slow"


def check_imports_fieldsmith_alone(subject: Subject) -> str:
    """Its files import the package fieldsmith, and none of the modules in it."""
    files = subject.source_files
    for file in files:
        for name, line in _imports(file):
            if name.startswith("fieldsmith."):
                raise PluginError(
                    f"{file.name}:{line} imports {name}, which may change with any version; "
                    f"import what you need from fieldsmith (see fieldsmith.__all__)"
                )
    return f"{len(files)} files"


def check_settings_are_known(subject: Subject) -> str:
    """extract_settings names settings that exist, with values that fit, under every preset."""
    for preset in preset_names():
        settings_under(preset, subject.plugin)
    settings = settings_under(EMBEDDED, subject.plugin)
    own = subject.plugin.settings(EMBEDDED)
    told = ", ".join(f"{name}={getattr(settings, name)}" for name in own)
    return f"under the preset {EMBEDDED}: {told or 'none of its own'}"


# The schema


def check_schema_is_enforceable(subject: Subject) -> str:
    """Its schema has no keyword that the grammar could not hold an answer to."""
    if isinstance(subject.loading, SchemaError):
        raise subject.loading
    return f"answers can be held to it: {', '.join(_fields(subject)) or 'no field'}"


def check_schema_is_closed(subject: Subject) -> str:
    """Its schema leaves no object, list or value open: what is not named cannot be answered."""
    schema = subject.plugin.schema
    problems = [(place, what) for place, node in _values(schema) if (what := _openness(node))]
    if problems:
        place, what = problems[0]
        raise PluginError(f"the schema at {place or '/'}: {what}")
    return f"{sum(1 for _ in _values(schema))} values, each of a type that is said"


def check_schema_is_bounded(subject: Subject) -> str:
    """An answer that is cut off at the length limit can be closed into a valid record."""
    problem = closing_problem(subject.plugin.schema)
    if problem is not None:
        raise PluginError(problem)
    return "an answer cut off at the length limit can be closed"


def check_verbatim_may_be_absent(subject: Subject) -> str:
    """No verbatim field has to be filled: it may be null, left out, or is in a list."""
    schema = subject.plugin.schema
    forced = list(_forced(schema, schema, ""))
    if forced:
        raise PluginError(
            f"{', '.join(forced)}: has to be filled, so that something is invented where the "
            f"document says nothing; let it be null, leave it out of required, or put it in a list"
        )
    return "no verbatim field has to be filled where the document says nothing"


def check_annotations_are_known(subject: Subject) -> str:
    """No annotation is nearly, and not quite, one that the core reads (x-source, x-key, …)."""
    count = 0
    for place, node in _nodes(subject.plugin.schema, ""):
        for key in node if isinstance(node, dict) else ():
            near = get_close_matches(key, _ANNOTATIONS, n=1, cutoff=0.8)
            if near and key not in _ANNOTATIONS:
                raise PluginError(
                    f"the schema at {place or '/'}: {key!r} is no annotation that is read; "
                    f"{nearest(key, _ANNOTATIONS)}"
                )
            count += key in _ANNOTATIONS
    return f"{count} annotations"


# The loader


def check_sample_is_valid(subject: Subject) -> str:
    """Its sample can be read, each row makes a document, and every record is valid."""
    try:
        rows = list(read_examples(subject.plugin, None))
    except InputError as error:
        raise PluginError(
            f"{error}; extract_load(None) has to yield the sample that comes with the plugin"
        ) from error
    splits = split_documents(rows)
    if splits.set_aside:
        first = splits.set_aside[0]
        field = f"{first.field}: " if first.field else ""
        raise PluginError(
            f"{len(splits.set_aside)} of its {len(rows)} documents cannot be used; the first is "
            f"{first.place}: {field}{first.reason}; "
            f"mend the row or its loader, or let the schema allow it"
        )
    if not splits.train:
        raise PluginError("no document of its sample is for training; give some the split train")
    return (
        f"{len(rows)} documents: {len(splits.train)} train, "
        f"{len(splits.validation)} validation, {len(splits.test)} test"
    )


def check_loader_is_deterministic(subject: Subject) -> str:
    """Reading the sample again, here and in another process, gives the same rows."""
    here = hash_of_rows(subject.rows)
    for where, again in (
        ("a second time", hash_of_rows(subject.plugin.load(None))),
        ("in another process", subject.elsewhere.sample),
    ):
        if again != here:
            raise PluginError(
                f"read {where}, its sample gives other rows; sort files and sets, and seed what "
                f"is drawn"
            )
    return f"{len(subject.rows)} rows, the same each time"


def check_loader_is_lazy(subject: Subject) -> str:
    """extract_load yields rows as they are read, and does not return a list of them."""
    _ = subject.rows
    rows = subject.plugin._hooks.extract_load(source=None)
    if isinstance(rows, Sequence) or not hasattr(rows, "__next__"):
        raise PluginError(
            f"extract_load returned a {type(rows).__name__}, so that a corpus has to fit into "
            f"memory; yield each row as it is read"
        )
    return "rows come as they are read"


def check_ids_are_unique(subject: Subject) -> str:
    """No two documents of its sample share an id, and none is without one."""
    ids = [row.document.id for row in subject.rows if isinstance(row, Example)]
    if not all(isinstance(each, str) and each for each in ids):
        raise PluginError("a document of its sample has no id; make one of what names the row")
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise PluginError(
            f"{len(twice)} ids of its sample stand twice, the first is {twice[0]!r}; add to the "
            f"id what tells the rows apart, such as the file's name"
        )
    return f"{len(ids)} documents, {len(ids)} ids"


def check_bad_source_is_told(subject: Subject) -> str:
    """A missing path, an empty folder or file, and binary data are InputErrors, not tracebacks."""
    suffixes = {path.suffix for path in subject.sample_files}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _refused(subject, folder / "missing.txt", "a path where nothing is", loud=True)
        (folder / "empty").mkdir()
        _refused(subject, folder / "empty", "an empty folder")
        for suffix in sorted(suffixes | {"", ".txt", ".json", ".jsonl", ".xml", ".html", ".csv"}):
            for what, content in BAD_SOURCES:
                path = folder / f"bad{suffix}"
                path.write_bytes(content)
                _refused(subject, path, f"{what} called {path.name}")
    return "each gives an expected error"


def check_bad_rows_are_told(subject: Subject) -> str:
    """Damaged copies of the sample's files give rejects or InputErrors, not tracebacks."""
    files = subject.sample_files[:3]
    if not files:
        raise SkippedError("there is no file sample.… or folder sample/ beside its module")
    count = 0
    with tempfile.TemporaryDirectory() as name:
        for file in files:
            copy = Path(name, file.name)
            for what, content in damaged(file.read_bytes()):
                copy.write_bytes(content)
                _read(subject, copy, f"{file.name} {what}")
                count += 1
    return f"{count} damaged copies, each read or refused as expected"


def check_gold_is_replayable(subject: Subject) -> str:
    """Every gold record can be written, token by token, under the grammar of its document."""
    whole = replace(Settings(), window="document", max_length=sys.maxsize)
    books = build_rows(subject.examples, subject.plugin, subject.prompts, whole)
    if books.set_aside:
        first = books.set_aside[0]
        raise PluginError(
            f"{len(books.set_aside)} of {books.windows} records cannot be trained on; the first "
            f"is that of {first.place}: {first.reason}"
        )
    told = f"{books.windows} records can be written; "
    told += f"{books.learned.total()} of {books.gold.total()} leaves and objects are learned"
    if books.aligned:
        told += f", {books.aligned.total()} leaves as the text writes them"
    if books.lost:
        first = books.lost[0]
        told += f"; {len(books.lost)} are lost, the first {first.field} of {first.place}: "
        told += first.reason
    return told


# The prompt


def check_prompt_holds_the_document(subject: Subject) -> str:
    """The text of the document stands in the prompt, whole and as it is."""
    for example in subject.examples[:SCORED]:
        text = example.document.text
        messages = prompt_texts(subject.plugin, example.document)
        if not any(text in message.content for message in messages):
            raise PluginError(
                f"the prompt of document {example.document.id} does not hold its text; put "
                f"document.text into a message as it is: what is read is what spans are cut from"
            )
    return f"the text of {min(SCORED, len(subject.examples))} documents stands in their prompts"


def check_prompt_hides_the_answer(subject: Subject) -> str:
    """No gold value stands in a prompt that does not stand in the document."""
    common = _contents(subject, PROBE)
    for example in subject.examples[:SCORED]:
        document = example.document
        prompt = _contents(subject, document).replace(document.text, "")
        known = [document.text, common, *(document.meta.get(key, "") for key in ("url", "path"))]
        for pointer, leaf in leaves(example.record):
            told = isinstance(leaf, str) and len(leaf) > 2 and leaf in prompt
            if told and not any(str(leaf) in text for text in known):
                raise PluginError(
                    f"the prompt of document {document.id} holds {shortened(leaf)}, the answer at "
                    f"{pointer}, which its text does not; at inference nobody knows it"
                )
    return "what a prompt holds of its answer stands in the text"


def check_prompt_needs_the_document_alone(subject: Subject) -> str:
    """A prompt can be made of any id and text, with nothing known beside them."""
    known = [Document(e.document.id, e.document.text) for e in subject.examples[:3]]
    for document in (PROBE, Document("", "one word"), Document("no text", ""), *known):
        prompt_texts(subject.plugin, document)
    return "id and text are enough"


def check_prompt_is_repeatable(subject: Subject) -> str:
    """The prompt of a document is the same each time, here and in another process."""
    here = hash_of_prompts(subject.plugin, subject.rows)
    for where, again in (
        ("a second time", hash_of_prompts(subject.plugin, subject.rows)),
        ("in another process", subject.elsewhere.prompts),
    ):
        if again != here:
            raise PluginError(
                f"made {where}, a prompt is another; it has to depend on the document and the "
                f"schema alone: no clock, no chance, no order of a set"
            )
    return "the same each time"


def check_prompt_keeps_its_structure(subject: Subject) -> str:
    """A text of control tokens, braces and markup changes neither turns nor control tokens."""
    plain = prompt_texts(subject.plugin, PROBE)
    roles, tokens = [message.role for message in plain], _control_tokens(subject, PROBE)
    names = [*subject.prompts.tokenizer.all_special_tokens, *_HOSTILE]
    for text in (" ".join(names), "\n\n".join(names), *names):
        document = Document("hostile", text)
        messages = prompt_texts(subject.plugin, document)
        if [message.role for message in messages] != roles:
            raise PluginError(
                f"the text {shortened(text)} makes turns of {len(messages)} messages where others "
                f"make {len(roles)}; never split or read the text of a document"
            )
        if not any(text in message.content for message in messages):
            raise PluginError(
                f"the text {shortened(text)} does not stand in its prompt as it is; put it there "
                f"without formatting, escaping or stripping"
            )
        if _control_tokens(subject, document) != tokens:
            raise PluginError(
                f"the text {shortened(text)} adds control tokens to its prompt; put the text into "
                f"the content of a message, not into its role"
            )
    return f"{len(roles)} messages and {tokens} control tokens, whatever the text"


def check_prompt_fits(subject: Subject) -> str:
    """Prompt, window and answer fit into what the embedded model reads."""
    settings, prompts = subject.settings, subject.prompts
    around = len(prompts.prompt(prompt_texts(subject.plugin, Document("", ""))))
    window = settings.window_size if settings.window != "document" else 1
    asked = around + window + settings.max_new_tokens
    told = (
        f"the prompt takes {around} tokens beside the text, a window {window}, an answer up to "
        f"{settings.max_new_tokens}: {asked} of max_length {settings.max_length}"
    )
    if asked > settings.max_length:
        raise PluginError(
            f"{told}; ask for less in extract_prompt, or let extract_settings lower window_size "
            f"or max_new_tokens or raise max_length (2048 at most)"
        )
    books = build_rows(subject.examples[:SCORED], subject.plugin, prompts, settings)
    if len(books.rows) * 2 < books.windows:
        raise PluginError(
            f"{len(books.set_aside)} of {books.windows} windows of its sample cannot be trained "
            f"on under the preset {EMBEDDED}; the first is {books.set_aside[0].place}: "
            f"{books.set_aside[0].reason}; see extract_settings"
        )
    return told


# The metric


def check_metric_counts(subject: Subject) -> str:
    """It counts 0 <= matched <= min(predicted, gold) for any answer, and changes nothing."""
    _ = subject.scored
    if isinstance(subject.scoring, PluginError):
        raise subject.scoring
    for kind in subject.scoring:
        support(subject.scoring[kind])
    names = list(dict.fromkeys(name for each in subject.scoring["gold"] for name in each))
    return f"{', '.join(names)}"


def check_metric_counts_the_score(subject: Subject) -> str:
    """It counts every name that the setting score is made of."""
    totals = _totals(subject, "gold")
    wanted = subject.settings.score
    unknown = [name for name in wanted if name not in totals]
    if unknown:
        raise PluginError(
            f"it does not count {', '.join(unknown)}, which the score is made of; "
            f"{nearest(unknown[0], totals)}"
        )
    if not any(_supported(totals[name]) for name in wanted or totals):
        raise PluginError("it counts nothing in the whole sample; count the gold record's leaves")
    return f"the score is made of {', '.join(wanted or totals)}"


def check_metric_is_full_for_gold(subject: Subject) -> str:
    """Gold records scored against themselves have an F1 of 1."""
    totals = _totals(subject, "gold")
    for name in _score_names(subject):
        if _supported(totals[name]) and _f1(totals[name]) < _PERFECT:
            matched, predicted, gold = totals[name]
            raise PluginError(
                f"{name}: F1 of the gold records against themselves is {_f1(totals[name]):.3f}; "
                f"it counts {matched:g} matched of {predicted:g} predicted and {gold:g} gold; "
                f"treat both sides alike"
            )
    return f"F1 of the gold records against themselves is 1 for {', '.join(_score_names(subject))}"


def check_metric_is_lower_for_wrong(subject: Subject) -> str:
    """Answers that are wrong in every leaf are not scored like right ones."""
    gold, wrong = _totals(subject, "gold"), _totals(subject, "wrong")
    fooled = [
        name for name in _supported_names(subject) if _f1(wrong.get(name, _NONE)) >= _f1(gold[name])
    ]
    if fooled:
        raise PluginError(
            f"{', '.join(fooled)}: F1 is {_f1(wrong[fooled[0]]):.3f} though every leaf of every "
            f"answer is wrong; compare prediction.record with example.record"
        )
    return _listing(wrong, _supported_names(subject))


def check_metric_is_lower_for_missing(subject: Subject) -> str:
    """Answers that say nothing, [] and null, miss what the gold records hold."""
    gold, empty = _totals(subject, "gold"), _totals(subject, "empty")
    fooled = [
        name for name in _supported_names(subject) if empty.get(name, _NONE)[0] >= gold[name][0]
    ]
    if fooled:
        raise PluginError(
            f"{', '.join(fooled)}: empty answers match as much as the gold records; count what "
            f"the gold record holds as gold, and as matched only what was predicted"
        )
    return _listing(empty, _supported_names(subject))


def check_metric_counts_no_answer(subject: Subject) -> str:
    """A document without a valid answer (record None) counts its gold, and nothing predicted."""
    none = _totals(subject, "none")
    names = _score_names(subject)
    for name in names:
        if none.get(name, _NONE)[0] or none.get(name, _NONE)[1]:
            raise PluginError(
                f"{name}: it counts {none[name][:2]} (matched, predicted) where there is no "
                f"answer; without a record nothing is predicted"
            )
    if not any(none.get(name, _NONE)[2] for name in names):
        raise PluginError(
            "it counts no gold where there is no answer, so a model that fails is not scored; "
            "count the gold record's leaves whether or not there is a prediction.record"
        )
    return f"{sum(none.get(name, _NONE)[2] for name in names):g} gold, 0 predicted"


def check_metric_skips_the_unannotated(subject: Subject) -> str:
    """A key that is absent from a gold record is not annotated, and makes nobody wrong."""
    required = subject.plugin.schema.get("required", ())
    tried = 0
    for example in subject.scored:
        assert example.record is not None
        for key in example.record:
            if key in required or key not in _fields(subject):
                continue
            counts = counted_without(subject.plugin, example, key)
            tried += 1
            for name in set(_score_names(subject)) & counts.keys():
                if _supported(counts[name]) and _f1(counts[name]) < _PERFECT:
                    raise PluginError(
                        f"{name}: where the gold record lacks {key!r}, a right answer counts "
                        f"{counts[name]}; do not count a field whose key the gold record lacks"
                    )
    return f"{tried} records without one of their keys"


# The formats


def check_export_knows_its_formats(subject: Subject) -> str:
    """A format that extract_export does not write raises UnknownFormatError."""
    try:
        text = subject.plugin.export({}, "no-such-format")
    except UnknownFormatError as error:
        return str(error)
    raise PluginError(
        f"extract_export returned {shortened(text)} for the format 'no-such-format'; raise "
        f"fieldsmith.UnknownFormatError, naming the formats that there are"
    )


CHECKS: tuple[Callable[[Subject], str], ...] = tuple(
    value for name, value in list(globals().items()) if name.startswith("check_")
)
"""Every check, in the order in which they stand here and run."""


def name_of(check: Callable[[Subject], str]) -> str:
    """Return the name that a check goes by in listings and in ``expected_failures``."""
    return check.__name__.removeprefix("check_")


def promise_of(check: Callable[[Subject], str]) -> str:
    """Return what a check makes sure of, in a line."""
    return (check.__doc__ or "").strip().partition("\n")[0]


def check_plugin(
    name: str,
    with_names: Sequence[str] = (),
    expected_failures: Mapping[str, str] | None = None,
) -> list[Check]:
    """Run every check on a plugin.

    expected_failures: names of checks that the plugin cannot meet, each with the reason.

    Raises:
        PluginError: there is no check of that name.
    """
    reasons = known_reasons(expected_failures or {})
    subject = Subject(name, tuple(with_names))
    return [run_check(check, subject, reasons.get(name_of(check))) for check in CHECKS]


def known_reasons(expected_failures: Mapping[str, str]) -> Mapping[str, str]:
    """Return failures that are expected; refuse a name that no check has.

    Raises:
        PluginError: there is no check of that name, or no reason is given.
    """
    names = list(map(name_of, CHECKS))
    for name, reason in expected_failures.items():
        if name not in names:
            raise PluginError(
                f"expected_failures: no check is called {name!r}; " + nearest(name, names)
            )
        if not reason or not isinstance(reason, str):
            raise PluginError(f"expected_failures: say why {name} is expected to fail")
    return expected_failures


def run_check(
    check: Callable[[Subject], str], subject: Subject, reason: str | None = None
) -> Check:
    """Run one check. Whatever is raised in a line of the plugin's is a failure of it.

    reason: why it is expected to fail, where it is.
    """
    what = name_of(check)
    try:
        detail = check(subject)
    except SkippedError as error:
        return Check("skip", what, str(error))
    except FieldsmithError as error:
        return _failed(what, str(error), reason)
    except (Exception, SystemExit) as error:
        if not authors_line(error):
            raise  # a bug of ours
        return _failed(what, f"{said(error)}; mend that line, or tell what is wrong there", reason)
    if reason is not None:
        detail = f"it was expected to fail ({reason}) and passes: expect that no longer"
        return Check("fail", what, detail)
    return Check("ok", what, detail)


def _failed(what: str, detail: str, reason: str | None) -> Check:
    if reason is not None:
        return Check("expected", what, f"{reason} ({detail})")
    return Check("fail", what, detail)


# What the checks of the module read


def _imports(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports absolutely, with their lines."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or "", node.lineno


# What the checks of the schema read


def _fields(subject: Subject) -> list[str]:
    return list(subject.plugin.schema.get("properties", ()))


_INSIDE = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")


def _nodes(node: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    """Yield every schema within a schema, itself included, with its JSON Pointer."""
    yield pointer, node
    if not isinstance(node, dict):
        return
    for key in _INSIDE:
        for name, inner in node.get(key, {}).items():
            yield from _nodes(inner, pointer + pointer_of([key, name]))
    for key in _LISTS:
        for number, inner in enumerate(node.get(key, ())):
            yield from _nodes(inner, pointer + pointer_of([key, number]))
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from _nodes(node[key], pointer + pointer_of([key]))


def _values(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the schemas that describe a value alone: no parts of an allOf."""
    return ((place, node) for place, node in _nodes(schema, "") if "/allOf/" not in place)


_SAYING = ("type", "enum", "const", "$ref", *_LISTS)


def _openness(node: Any) -> str:
    """Say what a schema leaves open, and what to do; "" for nothing."""
    if not isinstance(node, dict) or not any(key in node for key in _SAYING):
        return "anything may stand here; say its type"
    kinds = kinds_of({"type": node.get("type", ())})
    if "object" in kinds and node.get("additionalProperties") is not False:
        return 'an object may hold keys that nobody named; add "additionalProperties": false'
    if "array" in kinds and not node.keys() & {"items", "prefixItems"}:
        return 'a list may hold anything; say what with "items"'
    return ""


def _forced(schema: Any, root: Mapping[str, Any], pointer: str) -> Iterator[str]:
    """Yield the pointers of the verbatim fields that every record holds."""
    here = resolve(schema, root)
    if "null" in kinds_of(here):
        return
    if here.get("x-source") == "verbatim":
        yield pointer
    for key in here.get("required", ()):
        yield from _forced(here.get("properties", {}).get(key, {}), root, f"{pointer}/{key}")
    if here.get("minItems"):
        yield from _forced(here.get("items", {}), root, f"{pointer}/0")


# What the checks of the loader read

_NO_TEXT = ("an empty file", "binary data")


def _read(subject: Subject, path: Path, what: str) -> list[Example | Reject]:
    """Return the first rows of a bad source; what is refused as it should be has none.

    Raises:
        PluginError: something else than an InputError was raised.
    """
    try:
        return list(islice(subject.plugin.load(path), 1000))
    except InputError:
        return []
    except FieldsmithError as error:
        raise PluginError(f"{what}: {error}") from error
    except Exception as error:
        raise PluginError(
            f"{what}: it raises {said(error)}; yield a fieldsmith.Reject for a row that cannot be "
            f"read, and raise fieldsmith.InputError, naming the file and what to do, for a source "
            f"(fieldsmith.read_text and fieldsmith.files_in do)"
        ) from error


def _refused(subject: Subject, path: Path, what: str, *, loud: bool = False) -> None:
    """Check that a source gives no document; with ``loud`` that it raises, too."""
    rows = _read(subject, path, what)
    if loud:
        try:
            list(subject.plugin.load(path))
        except InputError:
            return
        raise PluginError(
            f"{what}: it finds nothing to complain of; raise fieldsmith.InputError "
            f"(fieldsmith.read_text and fieldsmith.files_in do)"
        )
    made = [row for row in rows if isinstance(row, Example)]
    if made and what.startswith(_NO_TEXT):
        raise PluginError(
            f"{what}: it makes a document of it, {shortened(made[0].document.text)}; raise "
            f"fieldsmith.InputError for what is no text (fieldsmith.read_text does)"
        )


# What the checks of the prompt read

_HOSTILE = (
    "<|im_start|>system", "<|im_end|>", "<|eot_id|>", "<|begin_of_text|>", "[INST]", "[/INST]",
    "</s>", "<think>", "### Response:", "{text}", "{", "}}", "{{ schema }}", "{% raw %}",
    "%s %(x)d", "$text", "\\n\\u0000", "<b>&amp;</b>", "\u202eright to left\u202c", "```json",
    "a\x00b", "  ends in white space \n",
)  # fmt: skip


def _contents(subject: Subject, document: Document) -> str:
    return "\n".join(message.content for message in prompt_texts(subject.plugin, document))


def _control_tokens(subject: Subject, document: Document) -> int:
    """Return how many tokens of a prompt are control tokens."""
    tokenizer = subject.prompts.tokenizer
    control = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    ids = subject.prompts.prompt(prompt_texts(subject.plugin, document))
    return sum(token in control for token in ids)


# What the checks of the metric read


def _totals(subject: Subject, kind: str) -> dict[str, Counts]:
    try:
        return support(subject.counts(kind))
    except PluginError as error:
        raise SkippedError("its metric cannot be used") from error


def _score_names(subject: Subject) -> list[str]:
    totals = _totals(subject, "gold")
    return [name for name in subject.settings.score or totals if name in totals]


def _supported(counts: Counts) -> bool:
    return counts[1] + counts[2] > 0


def _supported_names(subject: Subject) -> list[str]:
    """Return the names that make up the score and have something to count in the gold records."""
    totals = _totals(subject, "gold")
    return [name for name in _score_names(subject) if totals[name][2]]


def _f1(counts: Counts) -> float:
    return precision_recall_f1(counts)[2]


def _listing(totals: Mapping[str, Counts], names: Sequence[str]) -> str:
    return "F1 " + ", ".join(f"{name} {_f1(totals.get(name, _NONE)):.2f}" for name in names)
