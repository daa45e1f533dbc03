"""Scores, their intervals, calibration, and the pages that show them."""
