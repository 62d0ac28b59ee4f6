"""The running configuration: built from a snapshot, held for the requests, and swapped by a reload."""
