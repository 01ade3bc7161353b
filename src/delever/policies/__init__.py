"""Policies: rules that change other rules, or stop them, while a run goes on."""
