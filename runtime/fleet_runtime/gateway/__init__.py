"""The running configuration: built from a snapshot, and swapped by a reload."""
