"""The status of a cluster as metrics of Prometheus: printed once, kept in a file, or served."""
