"""Metrics as pure functions: counts, precision, recall, F1, matching, calibration. No model."""
