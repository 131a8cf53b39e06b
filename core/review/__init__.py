"""Review labelled documents in a browser: accept, correct or reject each, and compare reviewers.

- ``decisions``: the documents, and a file of what was decided of each
- ``editing``: changes of a record, by the schema
- ``app``: the page and its routes
- ``agreement``: how far two reviewers agree
- ``exchange``: the same documents for other annotation tools
"""
