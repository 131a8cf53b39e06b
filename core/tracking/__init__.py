"""Send what a training logs to experiment trackers: TensorBoard, W&B, MLflow, trackio.

- ``tracker``: what a tracker has to do, and what describes a run to it
- ``tensorboard``, ``wandb``, ``mlflow``, ``trackio``: the trackers
- ``trackers``: those that a run reports to, by name; one that fails is left out
- ``results``: what is sent once a run was scored: scores, examples, the report
"""
