"""The command line: words to flows, values to text. Decides nothing."""

from hotspare.faces.cli.app import app, main

__all__ = ["app", "main"]
