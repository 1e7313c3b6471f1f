"""Files on the disk: the folder of a run, part files and their sidecars, checksums, the report of an earlier run."""
