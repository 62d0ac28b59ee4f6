"""Tests of fleet_runtime.commands."""
