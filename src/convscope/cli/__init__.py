"""The command line: which command, its words, error messages, exit codes."""
