"""Checks of a plugin's prompts: of ``extract_prompt`` and of ``extract_brief_prompt``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..data import Document, Message
from ..dataset.chat_export import control_ids
from ..errors import PluginError, shortened
from ..schema.pointers import leaves
from ..settings import EMBEDDED
from ..task import Task
from ..windows.rows import FAULTS, build_rows
from .clean_process import hash_prompts, require_same
from .plugin_under_test import PROBE, PluginUnderTest
from .registry import check

_HOSTILE = (
    "<|im_start|>system", "<|im_end|>", "<|eot_id|>", "<|begin_of_text|>", "[INST]", "[/INST]",
    "</s>", "<think>", "### Response:", "{text}", "{", "}}", "{{ schema }}", "{% raw %}",
    "%s %(x)d", "$text", "\\n\\u0000", "<b>&amp;</b>", "\u202eright to left\u202c", "```json",
    "a\x00b", "  ends in white space \n",
)  # fmt: skip

_TOO_LONG = FAULTS["length"]


@check
def check_prompt_holds_the_document(tested: PluginUnderTest) -> str:
    """The prompt contains the text of the document, whole and unchanged."""
    for example in tested.scored:
        for messages in tested.prompts_of(example.document):
            if not _holds(messages, example.document.text):
                raise PluginError(
                    f"the prompt of document {example.document.id} does not contain its text; put "
                    f"document.text into a message as it is: values are located in that text"
                )
    return f"the text of {len(tested.scored)} documents is in their prompts"


@check
def check_prompt_hides_the_answer(tested: PluginUnderTest) -> str:
    """The prompt contains no gold value that is not in the document."""
    instructions = _contents(tested, PROBE)
    for example in tested.scored:
        document = example.document
        prompt = _contents(tested, document).replace(document.text, "")
        meta = (document.meta.get(key, "") for key in ("url", "path"))
        known = [document.text, instructions, *meta]
        for pointer, leaf in leaves(example.record):
            is_shown = isinstance(leaf, str) and len(leaf) > 2 and leaf in prompt
            if is_shown and not any(str(leaf) in text for text in known):
                raise PluginError(
                    f"the prompt of document {document.id} contains {shortened(leaf)}, the answer "
                    f"at {pointer}, which is not in its text; at inference nobody knows it"
                )
    return "no prompt contains an answer that is not in the text"


@check
def check_prompt_needs_the_document_alone(tested: PluginUnderTest) -> str:
    """A prompt can be made from any id and text, without metadata."""
    known = [Document(e.document.id, e.document.text) for e in tested.examples[:3]]
    for document in (PROBE, Document("", "one word"), Document("no text", ""), *known):
        tested.prompts_of(document)
    return "id and text are enough"


@check
def check_prompt_is_repeatable(tested: PluginUnderTest) -> str:
    """The prompt of a document is the same each time, here and in another process."""
    require_same(
        "a prompt differs",
        hash_prompts(tested.plugin, tested.rows),
        hash_prompts(tested.plugin, tested.rows),
        tested.clean_process.prompts,
        advice="use the document and the schema alone: no clock, no chance, no order of a set",
    )
    return "the same each time"


@check
def check_prompt_keeps_its_structure(tested: PluginUnderTest) -> str:
    """Control tokens, braces and markup in a text change neither turns nor control tokens."""
    plain = tested.prompts_of(PROBE)
    names = [*tested.prompts.tokenizer.all_special_tokens, *_HOSTILE]
    for text in (" ".join(names), "\n\n".join(names), *names):
        hostile = tested.prompts_of(Document("hostile", text))
        for messages, usual in zip(hostile, plain, strict=True):
            if [each.role for each in messages] != [each.role for each in usual]:
                raise PluginError(
                    f"the text {shortened(text)} makes {len(messages)} messages where others make "
                    f"{len(usual)}; never split or read the text of a document"
                )
            if not _holds(messages, text):
                raise PluginError(
                    f"the text {shortened(text)} is not in its prompt as it is; put it there "
                    f"without formatting, escaping or stripping"
                )
            if _control_tokens(tested, messages) != _control_tokens(tested, usual):
                raise PluginError(
                    f"the text {shortened(text)} adds control tokens to its prompt; put the text "
                    f"into the content of a message, not into its role"
                )
    tokens = _control_tokens(tested, plain[0])
    return f"{len(plain[0])} messages and {tokens} control tokens, whatever the text"


@check
def check_prompt_fits(tested: PluginUnderTest) -> str:
    """Prompt, window and answer fit into what the embedded model reads."""
    settings, prompts = tested.settings, tested.prompts
    full, brief = tested.prompts_of(Document("", ""))
    around = len(prompts.prompt(brief if settings.prompt == "brief" else full))
    window = settings.window_size if settings.window != "document" else 1
    needed = around + window + settings.max_new_tokens
    lengths = (
        f"the prompt takes {around} tokens beside the text, a window {window}, an answer up to "
        f"{settings.max_new_tokens}: {needed} of max_length {settings.max_length}"
    )
    if needed > settings.max_length:
        raise PluginError(
            f"{lengths}; ask for less in the prompt, or let extract_settings lower window_size "
            f"or max_new_tokens or raise max_length (2048 at most)"
        )
    count, untrained = _untrained(tested)
    if len(untrained) * 2 > count:
        raise PluginError(
            f"{len(untrained)} of {count} windows of its sample cannot be trained on under the "
            f"preset {EMBEDDED}; the first is {untrained[0]}; see extract_settings"
        )
    return lengths


def _untrained(tested: PluginUnderTest) -> tuple[int, list[str]]:
    """Return how many windows its sample has, and the place and the fault of those too long."""
    settings = tested.settings
    if settings.window == "document" and not settings.read_characters:
        windows = [
            (made.place, each) for made in tested.whole_documents[1] for each in made.windows
        ]
        return len(windows), [
            f"{place}: {each.reason or _TOO_LONG}"
            for place, each in windows
            if each.fault or len(each.prompt) + len(each.answer) > settings.max_length
        ]
    plain = replace(settings, augment_copies=0, tagging_weight=0.0)
    built = build_rows(tested.scored, Task(tested.plugin, plain, tested.prompts))
    return built.windows, [f"{each.place}: {each.reason}" for each in built.set_aside]


def _holds(messages: Sequence[Message], text: str) -> bool:
    return any(text in message.content for message in messages)


def _contents(tested: PluginUnderTest, document: Document) -> str:
    prompts = tested.prompts_of(document)
    return "\n".join(message.content for messages in prompts for message in messages)


def _control_tokens(tested: PluginUnderTest, messages: Sequence[Message]) -> int:
    control = control_ids(tested.prompts)
    return sum(token in control for token in tested.prompts.prompt(messages))
