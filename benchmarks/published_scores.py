"""Published scores of other systems, their conditions, and how comparable ours are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """The published scores of one system.

    Attributes:
        f1: F1 from 0 to 1, by the names in our tables.
        measured: documents, split and metric.
        source: the publication.
        comparable: differences to our measurement, or that there are none.
    """

    system: str
    f1: Mapping[str, float]
    measured: str
    source: str
    comparable: str


_GROBID = "F1 by Levenshtein similarity of 0.8, with look-ups in CrossRef's data"
_GROBID_DIFFERS = (
    "not directly: the same matching, but other documents, read from PDF; ours are of the corpus "
    "that GROBID is trained on"
)
_MENTIONS = "BC5CDR, test set; F1 by mention"
_MENTIONS_DIFFER = (
    "with the rows of mentions only, and not directly: the test set, where ours is the development "
    "set"
)
_METAMINE = "MetaMine, its own papers; F1 of datasets found, and of fields on those found"
_METAMINE_DIFFERS = (
    "not directly: it reads the papers, which are not public, where ours reads the teacher's "
    "prose; its rule of when two titles match is not published"
)
_METAMINE_SOURCE = "results/ of SDM-TIB/LDM_Datasets at 5614973"


def _grobid(papers: str, page: str, title: float, authors: float, abstract: float) -> Published:
    names = ("title_levenshtein", "authors_levenshtein", "abstract_levenshtein")
    values = (title, authors, abstract)
    return Published(
        "GROBID 0.8.2",
        dict(zip(names, values, strict=True)),
        f"{papers}; {_GROBID}",
        f"doc/benchmarks/{page} of kermitt2/grobid at b8d6bec",
        _GROBID_DIFFERS,
    )


def _metamine(system: str, *values: float) -> Published:
    names = ("datasets", "title", "creator", "issued", "language", "theme", "keyword", "task")
    found = dict(zip(names, values, strict=True))
    return Published(system, found, _METAMINE, _METAMINE_SOURCE, _METAMINE_DIFFERS)


PUBLISHED: Mapping[str, tuple[Published, ...]] = {
    "arxiv_metadata": (
        _grobid("1,943 papers of PMC", "Benchmarking-pmc.md", 0.981, 0.966, 0.899),
        _grobid("2,000 papers of bioRxiv", "Benchmarking-biorxiv.md", 0.915, 0.922, 0.798),
    ),
    "dcat_datasets": (
        _metamine("Llama-3.2-3B, tuned", 0.74, 0.86, 0.59, 0.86, 0.78, 0.54, 0.63, 0.58),
        _metamine("Llama-3.2-3B, not tuned", 0.65, 0.58, 0.17, 0.67, 0.71, 0.33, 0.38, 0.38),
        _metamine("DeepSeek-R1-Distill-Qwen-32B", 0.73, 0.93, 0.39, 0.74, 0.62, 0.49, 0.59, 0.51),
    ),
    "medical_ner": (
        Published(
            "BioBERT",
            {"chemicals_mentions": 0.9347, "diseases_mentions": 0.8622},
            _MENTIONS,
            "TensorFlow/LanguageModeling/BERT/biobert of NVIDIA/DeepLearningExamples",
            f"{_MENTIONS_DIFFER}; a model for each type, of its own",
        ),
        Published(
            "Qwen3-8B, tuned",
            {"chemicals_mentions": 0.9158, "diseases_mentions": 0.8611},
            _MENTIONS,
            "arXiv:2512.22738, as others quote it",
            f"{_MENTIONS_DIFFER}; read second hand",
        ),
        Published(
            "GPT-4, not tuned",
            {"chemicals_mentions": 0.8370, "diseases_mentions": 0.6780},
            _MENTIONS,
            "arXiv:2512.22738, as others quote it",
            f"{_MENTIONS_DIFFER}; read second hand",
        ),
        Published(
            "Llama-3.2-3B, tuned",
            {"chemicals": 0.495, "diseases": 0.575},
            "abstracts of BC5CDR's training and development sets, 300 prompts; F1 by set of names",
            "albertoclemente/medical-ner-fine-tuning, evaluation of run 04",
            "not directly: nearly all abstracts of its test are in its training under another "
            "question, and titles are left out; the same metric",
        ),
        Published(
            "best of BioCreative V",
            {"relations": 0.5703},
            "BC5CDR, test set; F1 of pairs of MeSH concepts",
            "Wei et al. 2015, overview of the CDR task",
            "not directly: concepts, where ours are names; the test set",
        ),
        Published(
            "BioGPT",
            {"relations": 0.4498},
            "BC5CDR, test set; F1 of pairs, end to end",
            "Luo et al. 2022, abstract",
            "not directly: concepts, where ours are names; the test set",
        ),
    ),
    "unseen": (
        Published(
            "GROBID 0.8.2",
            {"keywords": 0.8005},
            f"2,000 papers of bioRxiv; {_GROBID}",
            "doc/benchmarks/Benchmarking-biorxiv.md of kermitt2/grobid at b8d6bec",
            f"{_GROBID_DIFFERS}; each key word by itself, where ours are runs of them",
        ),
    ),
}
"""By the name of the case. For the fields of news_json nothing is published."""
