"""What answers prompts under grammars: our decoder, or a server.

- ``engine``: the interface
- ``transformers_engine``: a model of transformers, by our decoder
- ``server``: any server that takes grammars of llguidance, by HTTP
- ``llama_cpp``, ``vllm``: what these servers ask and answer
- ``server_answer``: one answer of a server, finished as our decoder finishes it
- ``threads``: requests at the same time
- ``vllm_process``, ``guard``: vLLM as a process of ours, which ends with the command
- ``connect``: find out what a server is, and whether it can be used
"""
