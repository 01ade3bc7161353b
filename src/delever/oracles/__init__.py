"""Who tells protocols what prices are; one kind of feed a file."""
