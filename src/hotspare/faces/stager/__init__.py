"""The stager as a process of a node."""
