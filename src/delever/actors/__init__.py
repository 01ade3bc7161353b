"""Actors: who acts of his own accord."""
