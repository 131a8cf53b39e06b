"""Turn documents into records: run the windows, filter, merge, write predictions."""
