"""What the schema cannot express: rules between the parts of one fleet.yaml."""
