"""Answers for recordings, without TensorFlow."""
