"""The command `dl`."""
