"""Choose the documents of a pool that are worth labelling next.

- ``pool``: the documents that are neither labelled nor copies of each other
- ``embedding``: a vector of each document, from one forward pass
- ``spread``: documents that are far from each other
- ``uncertainty``: how unsure a model is of its prediction
- ``choose``: the strategies that combine these, and the rows that are written
"""
