"""JSON Schemas of the files of a run folder: what a run has to hold to be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMAT = 1
"""Version of the files of a run; a run without one has the first."""

_Schema = dict[str, Any]

_TEXT: _Schema = {"type": "string"}
_FLAG: _Schema = {"type": "boolean"}
_NUMBER: _Schema = {"type": "number", "minimum": -1e300, "maximum": 1e300}
_NUMBER_OR_NULL: _Schema = {**_NUMBER, "type": ["number", "null"]}
_SHARE: _Schema = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT: _Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}
_TEXTS: _Schema = {"type": "array", "items": _TEXT}
_HASH: _Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _object(required: Mapping[str, _Schema], **optional: _Schema) -> _Schema:
    """Return the schema of an object with some keys; others may hold anything."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }


def _map(values: _Schema) -> _Schema:
    return {"type": "object", "additionalProperties": values}


_PLUGIN = _object(
    {"name": _TEXT, "wrappers": _TEXTS},
    distribution=_TEXT,
    version=_TEXT,
)
_TEACHER = _object({"model": _TEXT, "licence": _TEXT, "documents": _COUNT})
"""A model that labelled documents of the training data."""

_DATA = _object(
    {"source": {"type": ["string", "null"]}, "allow_leaks": _FLAG},
    names=_map(_TEXT),
    split_ratio={
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": 100},
        "minItems": 3,
        "maxItems": 3,
    },
    sha256=_HASH,
    official_splits=_FLAG,
    missing_splits=_TEXTS,
    leaks={
        "type": "array",
        "items": _object({"held_out": _TEXT, "other": _TEXT, "ids": _TEXTS, "total": _COUNT}),
    },
    teachers={"type": "array", "items": _TEACHER},
)
_RECEIPT = _object(dict.fromkeys(("schema", "chat_template", "tokenizer", "probe"), _HASH))
_DOCUMENTS = _object(dict.fromkeys(("read", "train", "validation", "test", "set_aside"), _COUNT))
_WINDOWS = _object(dict.fromkeys(("made", "trained", "set_aside"), _COUNT))
_TRAINING = _object(
    {"steps": _COUNT, "best_step": _COUNT, "best_score": _NUMBER_OR_NULL, "min_confidence": _SHARE},
    shares=_object({"tags": _SHARE, "gazetteer": _SHARE}) | {"additionalProperties": False},
    unfinished=_object({"of": _COUNT}),
)
_ROWS: _Schema = {"type": "integer", "minimum": 1, "maximum": 2**20}
_LOWERED = _object({"to": _object({}, batch_size=_ROWS, accumulation=_ROWS, eval_batch_size=_ROWS)})
_ITEMS: _Schema = {"type": "integer", "minimum": 0, "maximum": 10**5}
"""Items of the longest list: more would not fit into an answer, and make a grammar too large."""
_MANIFEST: Mapping[str, _Schema] = {
    "seed": _COUNT,
    "base_model": _object({"name": _TEXT}) | {"additionalProperties": _TEXT},
    "counts": _object({"documents": _DOCUMENTS, "windows": _WINDOWS}),
    "answered": _TEXTS,
    "receipt": _RECEIPT,
}

RUN = _object(
    {
        "plugin": _PLUGIN,
        "preset": _TEXT,
        "settings": _map(_object({"value": {}, "from": _TEXT})),
        "data": _DATA,
    },
    format={"type": "integer", "minimum": 1, "maximum": FORMAT},
    accepted=_TEXTS,
    auto_batch=_FLAG,
    processes={"type": "integer", "minimum": 1},
    together=_TEXTS,
    weights=_object({"bytes": _COUNT, "held": _COUNT}),
    paths=_map(_TEXT),
    versions=_map(_TEXT),
    device={"type": "object"},
    plan=_map(_COUNT),
    longest_lists=_map(_ITEMS),
    findings={"type": "array"},
    test_seen={
        "type": "array",
        "items": _object({"run": _TEXT, "date": _TEXT, "score": _NUMBER, "documents": _COUNT}),
    },
    training=_TRAINING,
    lowered={"type": "array", "items": _LOWERED},
    **_MANIFEST,
)
"""run.json, from the moment when it is written first."""

DOMAIN_NAME = r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$"
"""Names of plugins that are names of folders on any system."""

_DOMAINS: _Schema = {
    "type": "array",
    "items": {"type": "string", "pattern": DOMAIN_NAME},
    "minItems": 2,
    "uniqueItems": True,
}
"""Names of plugins that are names of folders."""

JOINT = _object(
    {
        "plugins": _DOMAINS,
        "preset": _TEXT,
        "settings": RUN["properties"]["settings"],
        "jobs": _map({"type": "object"}),
    },
    format=RUN["properties"]["format"],
    auto_batch=_FLAG,
    paths=_map(_TEXT),
    versions=_map(_TEXT),
    device={"type": "object"},
    seed=_COUNT,
    base_model=_MANIFEST["base_model"],
    lowered=RUN["properties"]["lowered"],
    training=_object({"steps": _COUNT, "best_step": _COUNT, "best_score": _NUMBER_OR_NULL}),
)
"""run.json of a training of several domains, from the moment when it is written first."""

BEGUN = {"required": list(_MANIFEST)}
"""run.json once the data was read, which ``data.sha256`` tells; beside ``RUN``."""

COMPLETE = {"required": [*_MANIFEST, "training"]}
"""run.json of a training that has ended; beside ``RUN``."""

RECEIPT = {**_RECEIPT, "properties": {**_RECEIPT["properties"], "files": _map(_HASH)}}
"""receipt.json in the adapter's folder."""

_INTERVAL = _object(dict.fromkeys(("value", "low", "high"), _NUMBER))
_NULL = _object({"score": _NUMBER, "metrics": _map(_NUMBER)})
_DIFFERENCE = _object(dict.fromkeys(("value", "low", "high", "p_value"), _NUMBER))
_SCORES: Mapping[str, _Schema] = {
    "score": _NUMBER,
    "metrics": _map(_INTERVAL),
    "valid": _SHARE,
}
_BASE = _object({**_SCORES, "difference": _DIFFERENCE})
_BIN = _object(
    {
        "low": _SHARE,
        "high": _SHARE,
        "count": _COUNT,
        "confidence": _NUMBER_OR_NULL,
        "correct": _NUMBER_OR_NULL,
    }
)
_CALIBRATION = _object(
    {
        "leaves": _COUNT,
        "ece": _NUMBER_OR_NULL,
        "reliability": {"type": "array", "items": _BIN},
        "coverage": {
            "type": "array",
            "items": _object(
                {"threshold": _SHARE, "coverage": _NUMBER_OR_NULL, "precision": _NUMBER_OR_NULL}
            ),
        },
    },
    by_field=_map(_object({"leaves": _COUNT, "ece": _NUMBER_OR_NULL})),
) | {"type": ["object", "null"]}

METRICS = _map(
    _object(
        {
            "plugin": _TEXT,
            "split": _TEXT,
            "documents": _COUNT,
            "score": _NUMBER,
            "metrics": _map(_INTERVAL) | {"required": ["score"]},
            "valid": _SHARE,
            "windows": _object({"read": _COUNT, "total": _COUNT}),
            "constrained": _FLAG,
            "baselines": _object({"null": _NULL}, base=_BASE),
            "seconds_per_document": _NUMBER,
            "peak_memory_mb": _NUMBER,
        },
        calibration=_CALIBRATION,
        cases=_object({"hold": _COUNT, "of": _COUNT, "cases": {"type": "array"}}),
        oracle=_map(_object({"score": _NUMBER, "gain": _NUMBER})),
        engine=_TEXT,
        scoring=_object({"date": _TEXT, "test": _COUNT, "times": _COUNT})
        | {"type": ["object", "null"]},
        of=_COUNT,
        trained_on=_COUNT,
        set_aside=_COUNT,
        min_confidence=_SHARE,
        **dict.fromkeys(("truncated", "repeats", "unsure", "ungrounded"), _COUNT),
    )
)
"""metrics.json: the scores by name."""

ABILITY = _object(
    {
        "tasks": _map(
            _object(
                {
                    **dict.fromkeys(("date", "version", "source", "figure"), _TEXT),
                    "documents": _COUNT,
                    "base": _NUMBER,
                    "tuned": _NUMBER,
                    "difference": _INTERVAL,
                    "lower_is_better": _FLAG,
                    "loss": _NUMBER,
                    "max_loss": {**_SHARE, "type": ["number", "null"], "maximum": 1e300},
                    "lost": _FLAG,
                },
                also=_map(
                    _object(
                        {
                            "base": _NUMBER,
                            "tuned": _NUMBER,
                            "difference": _INTERVAL,
                            "lower_is_better": _FLAG,
                        }
                    )
                ),
            )
        )
    }
)
"""ability.json: the figures of base and tuned model by task."""

EXPORT = _object(
    {
        "plugin": _TEXT,
        "dtype": {"enum": ["bf16", "fp16", "fp32"]},
        "key": _HASH,
        "files": _map(_HASH),
        "scores": _map(
            _object(
                {
                    "split": _TEXT,
                    "documents": _COUNT,
                    "before": _object(_SCORES),
                    "after": _object(_SCORES),
                    "difference": _DIFFERENCE,
                    "equal": _COUNT,
                    "differing": _TEXTS,
                }
            )
        ),
    }
)
"""export.json in an exported folder."""

LOGGED = _object({"step": _COUNT}) | {"additionalProperties": _NUMBER_OR_NULL}
"""A line of log.jsonl."""

TRAINED_ON = _object({"id": _TEXT, "fingerprint": _TEXT})
"""A line of trained_on.jsonl."""

HELD_OUT = _object({"id": _TEXT, "fingerprint": _TEXT, "split": {"enum": ["validation", "test"]}})
"""A line of held_out.jsonl."""

_DATE: _Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\+00:00$"}
_TEXT_OR_NULL: _Schema = {"type": ["string", "null"]}

TEST_SCORE = _object(
    {
        "date": _DATE,
        **dict.fromkeys(("name", "command", "version"), _TEXT),
        **dict.fromkeys(("score", "low", "high"), _NUMBER),
        **dict.fromkeys(("documents", "test"), _COUNT),
        "reason": _TEXT_OR_NULL,
        "sha256": _HASH,
        "fingerprints": _TEXTS,
    },
    times=_COUNT,
    changed=_map(_object(dict.fromkeys(("used", "own"), _NUMBER))),
)
"""A line of test-scores.jsonl."""

SCORED = _object(
    {"id": _TEXT, "record": {"type": ["object", "null"]}, "gold": {"type": "object"}},
    error=_TEXT,
    confidence=_map(_SHARE),
)
"""A line of predictions/*.jsonl: a prediction with the gold beside it."""

CHECKPOINT = _object(
    {
        "global_step": _COUNT,
        "max_steps": _COUNT,
        "stateful_callbacks": _object(
            {
                "BestAdapter": _object(
                    {
                        "attributes": _object(
                            {
                                "score": _NUMBER_OR_NULL,
                                "step": _COUNT,
                                "stale": _COUNT,
                                "chosen": _object({"min_confidence": _SHARE}),
                            }
                        )
                    }
                )
            }
        ),
    }
)
"""trainer_state.json of a checkpoint."""
