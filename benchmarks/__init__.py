"""Measurements, as ratios within one run: machines are noisy, seconds do not travel."""
