"""The rescheduler as a process: what ocf:hotspare:rescheduler starts, and the socket that it answers at."""
