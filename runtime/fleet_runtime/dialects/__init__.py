"""How each kind of server is probed, and how its responses are read. Pure: the caller makes the requests."""
