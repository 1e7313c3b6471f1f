"""URLs and file names: which path each file gets."""
