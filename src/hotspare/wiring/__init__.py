"""Builds adapters from the operator's file: the one place where flows meet adapters.

`cluster` for plan and apply, `probing` for drill and status, `cleaning` for clean, `moving` for what moves routers of a
pool by hand, `rescheduling` for the daemon on a node; each loads only what it needs.
"""
