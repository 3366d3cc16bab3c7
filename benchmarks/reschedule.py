"""`make bench NAME=reschedule`: moving routers to living agents, beside moving them one after the other."""

import argparse
import os
import sys

import figures
import lab_moving
import moving_time


def main() -> int:
    """0: all that is asked holds. 1: a figure is missed."""
    parser = argparse.ArgumentParser(prog="make bench NAME=reschedule OPTIONS=…", description=__doc__)
    parser.add_argument("--routers", type=int, default=1000, help="on the node that dies")
    parser.add_argument("--many", type=int, default=10_000, help="on the node that dies, for memory and the journal")
    parser.add_argument("--lab", metavar="NAME", help="use this lab, which is up with a pool; else one is brought up")
    parser.add_argument("--lab-routers", type=int, default=40, help="in a lab that is brought up")
    parser.add_argument("--rounds", type=int, default=2, help="in the lab")
    parser.add_argument("--only", choices=("stand-in", "lab"), help="leave the other part out")
    options = parser.parse_args()
    if options.only != "stand-in" and os.geteuid() != 0:
        sys.exit("a lab needs root; without it: --only stand-in")
    parts = []
    if options.only != "lab":
        parts.append(moving_time.measured(options.routers, (0.05, 0.2), options.many))
    if options.only != "stand-in":
        parts.append(lab_moving.measured(options.lab, options.lab_routers, options.rounds))
    found = [figure for part, _ in parts for figure in part]
    notes = [note for _, part in parts for note in part]
    return 0 if figures.tell("reschedule", found, notes) else 1


if __name__ == "__main__":
    sys.exit(main())
