"""Data, losses and evaluation of the essay writer."""
