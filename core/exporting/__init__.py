"""Turn a run into a model that other engines load, score that model again, and push it to a hub.

- ``merged``: base and adapter as one ordinary model folder
- ``gguf_file``, ``kinds``: that folder as a file for llama.cpp
- ``engine_check``: compare the answers of a server with those of the run
- ``vllm_service``: that folder in a vLLM server that is started for a command
- ``hub_files``, ``hub_card``: what is pushed to the Hugging Face hub, and its card
- ``push``: the way there
- ``rescoring``: answer the same documents by the run and by what was exported, and compare
"""
