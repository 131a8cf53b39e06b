"""What a run came to, as tables, as one HTML page and as figures."""
