"""Tag tokens of the text with fields, as a second signal beside the generated answer."""
