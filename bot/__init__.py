"""Everything a chat request touches."""
