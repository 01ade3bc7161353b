"""The only layer that reads the outside world; it hands on plain tables and numbers."""
