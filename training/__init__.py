"""Offline training: corpora in, checkpoints out."""
