"""Read the metadata of a GGUF file, and refuse what cannot become a model folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFReader
    from gguf.gguf_reader import ReaderField, ReaderTensor

    Numbers = np.ndarray[Any, np.dtype[Any]]

_MAGIC = b"GGUF"

_PIECE = re.compile(r"(.+\.gguf)([.-](?:part|split-))([0-9a-z]+)", re.IGNORECASE)
"""Name of a piece of a file that was cut without regard to its content, and can be put together."""


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of its model.

    Attributes:
        path: the file.
        architecture: as llama.cpp calls it.
        metadata: entries by key; of a list only its length.
        storage: number of tensors by the name of the type that they are stored in.
        elements: numbers in all tensors, the factors in ``rotary`` aside.
        rotary: factors of rotary position embeddings by the tensor's name; none in most files.
    """

    path: Path
    architecture: str
    metadata: Mapping[str, Any]
    storage: Mapping[str, int]
    elements: int
    rotary: Mapping[str, Numbers]

    def shape(self, key: str) -> Any:
        """Return an entry of the architecture, such as ``block_count``; None where it is absent."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def token(self, name: str) -> int | None:
        """Return the id of a token such as ``eos``; None where the file names none."""
        found = self.metadata.get(f"tokenizer.ggml.{name}_token_id")
        return None if found is None else int(found)

    def refuse(self, fault: str) -> SettingsError:
        """Return the error that says why the file cannot be used."""
        return refusal(self.path, fault)


def refusal(path: Path, fault: str) -> SettingsError:
    """Return the error that says why a GGUF file cannot be used."""
    return SettingsError(f"model {path}: {fault}")


def read_header(path: Path) -> GgufHeader:
    """Read what a GGUF file says of its model.

    Raises:
        SettingsError: the package gguf is missing; the file is no GGUF, is cut off or damaged, is
            big-endian, or is one of several parts; it has no tokenizer or chat template, or a
            tensor in a type that cannot be dequantised.
    """
    reader = _open(path)
    metadata = {key: _value(field) for key, field in reader.fields.items()}
    _refuse_parts(path, metadata)
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str):
        raise refusal(path, "it does not name its architecture (general.architecture)")
    _refuse_text(path, metadata)
    _refuse_storage(path, reader.tensors)
    rotary = {t.name: t.data for t in reader.tensors if t.name.startswith("rope_")}
    return GgufHeader(
        path,
        architecture,
        metadata,
        Counter(tensor.tensor_type.name for tensor in reader.tensors),
        sum(int(t.n_elements) for t in reader.tensors if t.name not in rotary),
        rotary,
    )


def _open(path: Path) -> GGUFReader:
    try:
        from gguf import GGUFEndian, GGUFReader
    except ImportError as error:
        raise refusal(
            path, "GGUF files are read by the package gguf: pip install 'fieldsmith[gguf]'"
        ) from error
    try:
        with path.open("rb") as stream:
            magic = stream.read(len(_MAGIC))
    except OSError as error:
        raise refusal(path, f"cannot be read ({error.strerror})") from error
    if piece := _PIECE.fullmatch(path.name):
        raise refusal(
            path, f"is a piece of a file that was cut; join the pieces {_how(*piece.groups())}"
        )
    if magic != _MAGIC:
        raise refusal(path, "is no GGUF file; name one, a folder, or a model of the hub")
    try:
        reader = GGUFReader(path)
    except ValueError as error:
        if "GGMLQuantizationType" not in str(error):
            raise _damaged(path, error) from error
        raise refusal(
            path,
            f"stores weights in a type that the package gguf does not know ({_short(error)}); "
            f"update that package, or take the model in another type, such as Q8_0",
        ) from error
    # The library checks little: what it trips over depends on where the file ends.
    except (ArithmeticError, LookupError, OSError, TypeError) as error:
        raise _damaged(path, error) from error
    if reader.endianess != GGUFEndian.LITTLE:
        raise refusal(path, "is a big-endian GGUF file; take the little-endian one")
    return reader


def _how(whole: str, mark: str, number: str) -> str:
    """Return how to join pieces, by the name of the whole and what the name of a piece adds."""
    if not number.isalpha():  # a shell sorts 10 before 2
        return f"first, in the order of their numbers, to {whole}"
    return f"first, in their order: cat {quote(whole + mark)}* > {quote(whole)}"


def _damaged(path: Path, error: Exception) -> SettingsError:
    return refusal(path, f"cannot be read as GGUF; it is cut off or damaged ({_short(error)})")


def _value(field: ReaderField) -> Any:
    from gguf import GGUFValueType

    if field.types[:1] == [GGUFValueType.ARRAY]:
        return len(field.data)
    return field.contents()


def _refuse_parts(path: Path, metadata: Mapping[str, Any]) -> None:
    parts = metadata.get("split.count", 1)
    if parts > 1:
        number = metadata.get("split.no", 0) + 1
        raise refusal(
            path,
            f"is part {number} of {parts}; join the parts first: "
            f"llama-gguf-split --merge FIRST_PART WHOLE.gguf",
        )


def _refuse_text(path: Path, metadata: Mapping[str, Any]) -> None:
    if not metadata.get("tokenizer.ggml.tokens"):
        raise refusal(path, "contains no tokenizer")
    if not metadata.get("tokenizer.chat_template"):
        raise refusal(path, "contains no chat template; choose an instruction-tuned model")
    if metadata.get("tokenizer.ggml.eos_token_id") is None:
        raise refusal(path, "names no token that ends a text (tokenizer.ggml.eos_token_id)")


def _refuse_storage(path: Path, tensors: list[ReaderTensor]) -> None:
    from gguf import dequantize

    if not tensors:
        raise refusal(path, "contains no weights")
    first = {tensor.tensor_type: tensor for tensor in reversed(tensors)}
    for kind, tensor in first.items():
        row = tensor.data.reshape(-1, tensor.data.shape[-1])[:1]
        try:
            dequantize(row, kind)
        except NotImplementedError as error:
            raise refusal(
                path, f"stores {tensor.name} as {kind.name}, which cannot be dequantised"
            ) from error


def _short(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return reason if len(reason) <= 120 else reason[:119] + "…"
