"""What a model name means: model ids and the resolver. Pure."""
