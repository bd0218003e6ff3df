"""The command line: finds and runs the command, and turns errors into messages and exit statuses."""
