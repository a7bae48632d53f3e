"""What did we receive, and what may we keep?  The only code that sees raw contact data."""
