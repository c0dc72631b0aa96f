"""Slash commands, one file a group."""
