"""Generate answers under a grammar made from the schema and the document."""
