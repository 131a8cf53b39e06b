"""Several processes, one a device, that train a model together.

- ``processes``: rank and number of the processes, and what they send each other
"""
