"""Rates: how interest answers what is lent out. One file a curve."""
