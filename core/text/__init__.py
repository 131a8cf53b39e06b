"""Texts: where values occur, where a text can be cut, how strings are normalised.

- ``grounding``: word boundaries, and the occurrences of a value in a text
- ``equivalents``: numbers, dates and times in other notations (``number_forms``, ``date_forms``)
- ``typed_values``: what numbers, and strings with a ``format``, state
- ``boundaries``: sections, paragraphs, sentences and words, at which documents are cut
- ``marked_html``: a text with the values of a prediction marked in it
- ``normalization``: the steps of ``x-normalise``, and case folding for comparisons
"""
