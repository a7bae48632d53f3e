"""Durable things: the streams, the ledger, the keys. The only package that imports redis."""
