"""The live state of each provider: probes, health, model lists."""
