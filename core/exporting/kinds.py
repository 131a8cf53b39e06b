"""Kinds of GGUF files, by how their numbers are stored."""

CONVERTED = ("f32", "f16", "bf16", "q8_0")
"""Kinds that llama.cpp's converter writes."""

QUANTISED = ("q4_k_m", "q5_k_m", "q6_k")
"""Kinds that llama.cpp's program ``llama-quantize`` makes of a file of the kind f16."""
