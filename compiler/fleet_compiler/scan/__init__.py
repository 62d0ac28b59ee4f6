"""Finding model servers on given hosts, for a new fleet."""
