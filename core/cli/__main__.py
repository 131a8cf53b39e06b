"""``python -m fieldsmith.cli``: the command line, for launchers that start a module."""

from . import main

main()
