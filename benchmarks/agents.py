"""`make bench NAME=agents`: the resource agents beside what they replace, in one run on one machine."""

import argparse
import os
import sys

import cleaning_time
import crash_loss
import figures
import monitor_cost
from hotspare.lab import image
from ocf_node import booted


def main() -> int:
    """0: all that is asked holds. 1: a figure is missed."""
    parser = argparse.ArgumentParser(prog="make bench NAME=agents OPTIONS=…", description=__doc__)
    parser.add_argument("--lab", metavar="NAME", help="crash agents in this lab, which is up; else one is brought up")
    parser.add_argument("--no-crash", action="store_true", help="leave the part out that needs a lab")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("a node of one's own needs root")
    with booted(image.ensure_image(print)) as node:
        parts = [part.measured(node) for part in (monitor_cost, cleaning_time)]
    if not options.no_crash:
        parts.append(crash_loss.measured(options.lab))
    found = [figure for part, _ in parts for figure in part]
    notes = [note for _, part in parts for note in part]
    return 0 if figures.tell("agents", found, notes) else 1


sys.exit(main())
