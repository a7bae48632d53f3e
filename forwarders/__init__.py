"""How do we tell the vendor, and what did they say?  The only outbound sockets."""
