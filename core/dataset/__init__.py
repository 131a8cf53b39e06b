"""A data set: read its documents, split them, check them before training.

- loading: which sources are read as the core's JSONL, which examples are rejected
- row_examples: how rows become examples
- labelled_files: documents that are files, with rows beside them that have their labels
- label_check: whether labels that were fetched are in the texts of their documents
- inputs: the documents to predict on: files, folders, standard input
- splits: which document is in which split, and leaks between splits
- duplicates: exact and near duplicates (MinHash)
- issues: the data checks, and which of them stop a training
- audit: what the model reads and learns of a data set
- leaf_outcomes: which windows teach each gold leaf
- token_lengths: quantiles and histogram
- field_stats: statistics of gold records by field
- chat_export: windows as conversations for other tools
"""
