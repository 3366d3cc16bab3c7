"""Builds adapters from the operator's file: the one place where flows meet adapters.

`cluster` for plan and apply, `probing` for drill and status; each verb loads only what it needs.
"""
