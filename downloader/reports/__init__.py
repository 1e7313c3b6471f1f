"""What a run leaves behind: report files and the summary."""
