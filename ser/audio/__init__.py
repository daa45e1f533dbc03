"""From a recording to a signal of fixed length."""
