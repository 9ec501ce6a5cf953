"""Measurements of a whole installation, as ratios against doing the same without Slipway, in one run."""
