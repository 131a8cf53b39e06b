"""Measure general ability: what a fine-tuned model keeps of what its base does.

- ``tasks``: questions, passages and texts, of the package and of a user's file.
- ``likelihood``: the log-likelihood of texts under a model.
- ``figures``: accuracy, perplexity, bits per byte, and the paired difference of two models.
- ``local_tasks``: a model's figures on tasks whose rows are at hand.
- ``lm_eval_tasks``: the tasks of lm-eval, by its own evaluator.
- ``measure``: a run's base and its tuned model, one after the other, on the same tasks.
"""
