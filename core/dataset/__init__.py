"""Read data sets and inputs, split them, and check them before training."""
