"""One run of a list: what settings mean for it, and the thread that drives it."""
