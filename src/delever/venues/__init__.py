"""Venues: what can be traded, at which price; each turns its own data into a liquidity profile."""
