"""How many at once, how fast, how slow is too slow: arithmetic."""
