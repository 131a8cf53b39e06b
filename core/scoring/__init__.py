"""Scores as pure functions of records and counts; no model is needed.

- ``equality``: whether two values state the same, by their type
- ``counts``: matched, predicted and gold values of one field
- ``matching``: whether two texts match; one-to-one pairing of lists
- ``field_counts``: a metric for any schema, by ``x-score``
- ``metrics``: precision, recall and F1 with confidence intervals; comparison of two systems
- ``oracle``: records in which one field is right, and what the score would gain by it
- ``calibration``: whether the confidence of leaves can be trusted
"""
