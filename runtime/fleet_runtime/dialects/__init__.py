"""How each kind of server is probed and its responses are read. Pure: the caller sends the requests."""
