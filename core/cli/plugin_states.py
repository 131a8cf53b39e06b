"""Say what is wrong with each installed plugin, although one may end its process or never end."""

from __future__ import annotations

from collections.abc import Sequence

from ..plugin_code.calls import Limits, limited_calls
from ..plugin_code.installed import OK, Installed, find
from ..plugin_code.other_process import ProcessEndedError, Tell, running
from ..plugins import state_of


def states_of(entries: Sequence[Installed], seconds: float = 20.0) -> list[str]:
    """Import each plugin, and return its state as ``plugins.state_of`` does.

    They are imported one after another in another process, and in a new one after a plugin that
    ends it or does not let it go on.

    Args:
        entries: all plugins that ``find`` finds.
        seconds: how long the import of each may take.
    """
    states = [entry.state for entry in entries]
    waiting = [position for position, state in enumerate(states) if state == OK]
    while waiting:
        with running(report_states, waiting, seconds) as reports:
            try:
                for state in reports:
                    states[waiting.pop(0)] = state
            except ProcessEndedError as error:
                position = waiting.pop(0)
                states[position] = str(error).removeprefix(f"{entries[position].title} ")
    return states


def report_states(tell: Tell, positions: Sequence[int], seconds: float) -> None:
    """Tell the states of the plugins at some positions of ``find``, one after another."""
    entries = find()
    for position in positions:
        with limited_calls(Limits(seconds)):
            tell(state_of(entries[position]))
