"""What a user states: books, assets, protocols, worlds and scenarios as frozen, validated specs; no numba here."""
