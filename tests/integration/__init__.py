"""The command as a user types it, on real servers."""
