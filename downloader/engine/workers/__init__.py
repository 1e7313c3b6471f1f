"""Worker processes: how they are started, what they are sent, what becomes of their Attempts when they die."""
