"""URLs, file names and paths: which path each file gets."""
