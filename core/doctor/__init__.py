"""Check what works on this machine: everything that training needs is tried, not guessed.

- ``machine``: the packages, devices, memory and base model of one process
- ``parallel``: each way of sharing a training, in real steps of the embedded model
"""
