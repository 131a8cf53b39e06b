"""Estimate the memory and the steps of a training before it begins."""
