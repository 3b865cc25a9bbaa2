"""The command `giqa`: each file holds the parsing of one subcommand; the work is done elsewhere."""
