"""Who acts of their own accord: liquidators, borrowers, holders."""
