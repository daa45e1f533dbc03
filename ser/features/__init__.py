"""From a signal to what the networks read of each frame."""
