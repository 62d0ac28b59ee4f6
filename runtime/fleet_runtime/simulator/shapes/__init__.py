"""Wire shapes of generated text, pure: a generation in, the bytes of a whole answer or its stream out."""
