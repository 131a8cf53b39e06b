"""Load a model and its tokenizer, render prompts, run forward passes with a KV cache.

- ``location``: where a base model is: its identity, config and weights.
- ``tokenizer``: load its tokenizer.
- ``loading``: load the weights of base model and adapter; ``importing`` imports the libraries,
  ``library_output`` silences them, ``load_errors`` says why a model does not load.
- ``devices``: device, precision and free memory.
- ``prompts``: messages and answers to token ids; ``plain_text`` tokenises texts,
  ``bounded_rendering`` bounds what a chat template takes.
- ``attention``: which tokens of a prompt attend to each other; ``prefix_attention`` is the strategy
  of prefix language models.
- ``masks``: attention masks in the form that a model takes.
- ``forward``: forward passes over the rows of a batch; ``kv_cache`` holds their keys and values.
- ``out_of_memory``: recognise out-of-memory errors, release memory.
"""
