"""JSON Schema and the records that it describes: reading, writing, validating, navigating."""
