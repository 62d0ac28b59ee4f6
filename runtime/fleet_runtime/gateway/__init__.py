"""The one mutable reference of the process, and the live snapshot it points to."""
