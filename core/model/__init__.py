"""Load a model and its tokenizer, render prompts, run forward passes with a KV cache.

- ``loading``: base model, adapter, tokenizer and config; ``importing`` imports the libraries.
- ``devices``: device, precision and free memory.
- ``prompts``: messages and answers to token ids; ``plain_text`` tokenises texts,
  ``bounded_rendering`` bounds what a chat template takes.
- ``attention``: which tokens of a prompt attend to each other; ``prefix_attention`` is the strategy
  of prefix language models.
- ``masks``: attention masks in the form that a model takes.
- ``forward``: forward passes over the rows of a batch; ``kv_cache`` holds their keys and values.
- ``out_of_memory``: recognise out-of-memory errors, release memory.
"""
