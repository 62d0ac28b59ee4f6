"""One inference exchange between a client and a provider."""
