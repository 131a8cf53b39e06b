"""Generate answers that are constrained to a grammar made from the schema and the document.

- ``generate``: the loop over forward passes; which answers share a batch.
- ``sequence``: one answer: forced tokens, accepted drafts, the choice of each token.
- ``finishing``: from where an answer goes on that came to its length limit.
- ``speculation``: drafts of how an answer continues.
- ``grammar``: the grammar of a schema and a text.
- ``schema_to_lark``: rules for fields that are copied from the text; ``schema_node`` are their
  schemas. ``bounded_schema``: all other parts of a schema, with bounds added.
- ``llguidance_adapter``: the tokens that the grammar allows next.
- ``json_state``: parser state of an answer, and where a list repeats an item.
- ``partial_json``: the record of a truncated answer.
"""
