"""Wire shapes of generated text, pure: a generation in, the bytes of a response or of its stream out."""
