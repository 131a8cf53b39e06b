"""Files: read strictly, written atomically, one process at a time."""

from .endings import broken_promise
from .reading import (
    MOST_CHARACTERS,
    TOO_LONG,
    check_json,
    decode,
    files_in,
    lines_in,
    parse_json,
    parse_line,
    read_jsonl,
    read_text,
    read_text_stream,
    readable,
    split_of,
)
from .writing import (
    is_left_over,
    is_same_file,
    json_line,
    open_atomically,
    refuse_input,
    remove_left_over,
    require_output,
    require_writable,
    temporary_beside,
    write_atomically,
    write_json,
    write_jsonl,
    write_lines,
    writing,
)

__all__ = [
    "MOST_CHARACTERS", "TOO_LONG", "broken_promise", "check_json", "decode", "files_in",
    "is_left_over", "is_same_file", "json_line", "lines_in", "open_atomically", "parse_json",
    "parse_line", "read_jsonl", "read_text", "read_text_stream", "readable", "refuse_input",
    "remove_left_over", "require_output", "require_writable", "split_of", "temporary_beside",
    "write_atomically", "write_json", "write_jsonl", "write_lines", "writing",
]  # fmt: skip
