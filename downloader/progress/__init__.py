"""Displays of a running download: they sample the counters of a run, and show the progress."""
