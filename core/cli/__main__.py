"""``python -m fieldsmith.cli``: the command line for launchers that run a module."""

from . import main

main()
