"""Wire formats: from a generation to the bytes of a response or stream. Pure."""
