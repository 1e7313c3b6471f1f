"""Where Downloads come from, lazily: lists in files, on standard input, or given by a caller."""
