"""Where values are in a text, how text is segmented, and how strings are normalized."""
