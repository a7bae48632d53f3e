"""One file per kind of signal; each reads what one source says and never raises on its input."""
