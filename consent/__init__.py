"""May we?  Pure decisions about consent: standard library only, no clock, no store, no network."""
