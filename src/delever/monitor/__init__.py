"""The figures of a world while its market is open: looked at again and again, for Prometheus, Grafana, or a message."""
