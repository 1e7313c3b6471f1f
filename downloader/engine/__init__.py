"""What every strategy runs on. A user names nothing in here."""
