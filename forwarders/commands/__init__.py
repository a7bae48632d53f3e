"""One module per sub-command, so that a process loads only what it runs."""
