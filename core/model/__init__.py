"""Load a model and its tokenizer, render prompts, run forward passes with a KV cache."""
