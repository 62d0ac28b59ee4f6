"""The client's side of a connection: protocol, limits, access control."""
