"""Files: the folder of a run, part files and their sidecars, checksums."""
