"""The option of how sure the model has to be, of the commands that make predictions."""

from __future__ import annotations

import click

min_confidence_option = click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Leave out leaves that the model is less sure of, where the schema allows; 0 for none. "
    "Default: where the run's validation documents scored best.",
)
