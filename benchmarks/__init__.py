"""Benchmarks: speed as ratios against baselines, measured side by side in one run."""
