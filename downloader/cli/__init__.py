"""The command line `dl`: parsing, printing, exit codes."""
