"""Estimate the memory and the steps of a training before it begins.

- plan: what ``extract plan`` reports, and whether the training fits
- batches: the largest batches, tokens and steps
- planner: what a training asks the plan for
- estimator: the memory of one training under varying settings
- memory: which memory is counted, and how
- loss_memory, optimizer_memory: the memory of the loss, and of the optimiser's state
- ways, sharding: how several devices share a training, and the memory of each
- model_parts: the units in which a model is divided among devices
- zero_memory: what DeepSpeed holds besides
- meta_model: the model without weights
- fake_tensors: tensors without content, and the count of their bytes
- savings: settings that take less memory
- probe: the time of a step
"""
