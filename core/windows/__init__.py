"""Cut documents into windows, make a training row of each, merge their answers."""
