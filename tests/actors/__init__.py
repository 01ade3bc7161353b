"""Tests of those who act of their own accord."""
