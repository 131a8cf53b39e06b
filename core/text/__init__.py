"""Texts: where values occur, where a text can be cut, how strings are normalised.

- ``grounding``: word boundaries, and the occurrences of a value in a text
- ``boundaries``: sections, paragraphs, sentences and words, at which documents are cut
- ``normalization``: the steps of ``x-normalise``, and case folding for comparisons
"""
