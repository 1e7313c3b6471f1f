"""The library's interface for other programs: functions (`calls`), `Downloader`, and the iterator `Results`."""
