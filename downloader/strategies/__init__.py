"""Concurrency models that drive Attempts. `downloader.strategies.base` is the contract."""
