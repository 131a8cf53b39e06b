"""JSON Schema and the records that it describes.

- ``pointers``: JSON Pointers, the leaves of a record and their field names
- ``navigation``: which subschema describes a field; walks through all subschemas and fields
- ``records``: records as JSON text, reading and validation
- ``annotations``: the vocabulary of ``x-source``, ``x-score``, ``x-normalise`` and ``x-key``
"""
