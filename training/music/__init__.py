"""Data, losses and evaluation of the beat maker."""
