"""Several processes, one a device, that train a model together.

- ``environment``: what started this process: the user, our launcher, torchrun or srun
- ``group``: how many processes there are to be, and where nodes meet
- ``launcher``: starts the processes and waits for them; ``rendezvous`` lets nodes meet
- ``failures``: what each process reports when it fails, and which of these is the cause
- ``processes``: rank and number of the processes, and what they send each other
"""
