"""Fetch documents from the sources that plugins name, politely and resumably.

- ``fetch``: list the documents of a source and fetch each
- ``sources``: find the plugin that has a source
- ``folder``: what is written, and what is needed to go on
- ``client``: requests that wait, are asked again, and keep robots.txt
- ``connections``: one request, with its limits
- ``addresses``: which addresses may be fetched
- ``pacing``: how long to wait for a host
- ``names``: files named after ids
"""
