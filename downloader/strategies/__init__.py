"""Concurrency models that drive Attempts. `downloader.engine.contract` is the contract."""
