"""What a folder holds, and whether that is true: asked of its journal, of reports and sums files, and of the disk."""
