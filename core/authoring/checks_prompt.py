"""Checks of a plugin's prompt."""

from __future__ import annotations

from ..data import Document
from ..errors import PluginError, shortened
from ..schema.pointers import leaves
from ..settings import EMBEDDED
from ..windows.rows import build_rows
from .plugin_under_test import PROBE, SCORED, Subject, hash_of_prompts, prompt_texts


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
