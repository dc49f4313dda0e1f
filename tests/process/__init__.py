"""The command line, the supervisor, and what the processes owe the machine they run on."""
