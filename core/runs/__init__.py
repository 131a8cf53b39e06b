"""The run folder: settings, adapter, receipt and scores of one training."""
