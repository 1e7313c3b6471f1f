"""Where Downloads come from: lists in files or on standard input, and values given by a caller. All are read lazily."""
