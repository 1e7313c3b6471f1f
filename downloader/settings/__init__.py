"""The settings of a run: their definitions, how values are read, and where values come from."""
