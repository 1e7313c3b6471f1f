"""What is written about a run: report files, and the summary on the screen."""
