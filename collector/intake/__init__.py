"""From a request to records: pure, values in and values out; time, keys and randomness are arguments."""
