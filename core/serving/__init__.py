"""Serve runs by HTTP, with a page for people.

- ``app``: the routes, on FastAPI
- ``chat``: OpenAI's routes, for clients that know only those
- ``batching``: answers documents that wait, several at once
- ``requests``: what bodies of requests may be
- ``guard``: keys and limits, before anything reads a request
- ``uploads``: documents of uploaded files, read in another process
- ``metrics``: counts and durations for Prometheus
- ``server``: the socket, the signals and the end
"""
