"""Strict stand-ins for GA4's Measurement Protocol and Meta's Conversions API.

The sandbox says what a vendor would have said, remembers what it was sent, and names every rule that was broken.

Rules that hold here: memory only, nothing is written to disk; secrets are redacted before they are remembered;
the checks are written from the vendors' pages and share no code with the forwarders they judge, so that
agreement between the two proves something.
"""
