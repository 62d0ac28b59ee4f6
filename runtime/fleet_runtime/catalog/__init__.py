"""What a client can choose from: model lists and favorites."""
