"""Limits as arithmetic: Attempts in flight, time between requests, rate, and what counts as too slow."""
