"""WordNet's nouns by kind, from files in WordNet's own format."""

from __future__ import annotations

from random import Random

import pytest
from pretraining.tasks import kind_example
from pretraining.tokenizer import Corpus, Paper
from pretraining.wordnet import Lexicon
from tiny_sources import write_wordnet

FILLERS = 900  # nouns beside, so that no kind holds nearly everything


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> Lexicon:
    """A lexicon of rivers (of which one is a Scottish river) and a thousand other things."""
    folder = tmp_path_factory.mktemp("wordnet")
    names = [f"river_{number}" for number in range(40)]
    nouns: dict[str, tuple[str, ...]] = {
        "thing": (),
        "stream": ("thing",),
        "brook": ("stream",),
        "Tay": ("brook",),
    }
    nouns |= dict.fromkeys(["run_dry_creek", *names], ("stream",))
    nouns |= {f"filler{number}": ("thing",) for number in range(FILLERS)}
    write_wordnet(folder, nouns, more={"brook": ["thing"]})
    return Lexicon(folder)


def test_nouns_are_found_by_the_kinds_above_them(lexicon: Lexicon) -> None:
    text = "The brooks joined the Tay at Run Dry Creek, run, dry creek."
    found = lexicon.find(text)

    assert [noun.text for noun in found] == ["brooks", "Tay", "Run Dry Creek"]
    assert all(text[noun.start : noun.end] == noun.text for noun in found)
    assert all(noun.kinds == ("streams",) for noun in found)


def test_only_kinds_of_a_useful_size_are_asked_for(lexicon: Lexicon) -> None:
    assert lexicon.kinds == ("streams",)  # everything is a thing, and one noun is a brook


def test_members_are_written_as_wordnet_writes_them(lexicon: Lexicon) -> None:
    drawn = {lexicon.member("streams", Random(seed)) for seed in range(400)}

    assert {"Tay", "brook", "run dry creek", "river 7"} <= drawn
    assert not any("filler" in noun for noun in drawn)


def test_definitions_name_every_synonym(lexicon: Lexicon) -> None:
    assert "breathe, take a breath: draw air into the lungs" in lexicon.definitions
    assert "Tay: what Tay means" in lexicon.definitions


def test_asking_for_a_kind_answers_with_its_nouns_in_the_text(
    lexicon: Lexicon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pretraining.tasks.ASKED", ("streams",) * 3)
    text = "We follow the brook to the Tay and past filler7 in the spring of the year."
    corpus = Corpus({"papers": (Paper(text),)}, {"papers": 1.0})
    found = 0
    for seed in range(200):
        example = kind_example(corpus, lexicon, Random(seed))
        asked = example.system.removeprefix("Extract as JSON: ").split("[], ")
        assert asked[0].removesuffix("[]") == "streams"
        wanted = [noun.text for noun in lexicon.find(example.user) if "streams" in noun.kinds]
        assert all(f'"{noun}"' in example.answer for noun in wanted)
        found += len(wanted)
    assert found
