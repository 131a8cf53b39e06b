"""Pretraining of the base model that ships in the package: ``python -m tools.pretraining``."""
