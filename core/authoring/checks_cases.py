"""Check of the cases that a plugin ships."""

from __future__ import annotations

from ..errors import InputError, PluginError
from ..evaluation.case_file import read_cases
from ..plugin_code.installed import CASES, cases_file
from .plugin_under_test import PluginUnderTest
from .registry import check


@check
def check_cases_can_be_used(tested: PluginUnderTest) -> str:
    """Its cases.yaml, if it ships one, has cases that its schema and their texts allow."""
    schema = tested.plugin.schema
    file = cases_file(tested.name)
    if file is None:
        return f"it ships no {CASES}"
    try:
        return f"{len(read_cases(file, schema))} cases"
    except InputError as error:
        raise PluginError(str(error)) from error
