"""Score a run, or the output of another system, against gold records."""
