"""`make bench NAME=reschedule`: moving routers to living agents, beside moving them one after the other."""

import argparse
import sys

import figures
import moving_time


def main() -> int:
    """0: all that is asked holds. 1: a figure is missed."""
    parser = argparse.ArgumentParser(prog="make bench NAME=reschedule OPTIONS=…", description=__doc__)
    parser.add_argument("--routers", type=int, default=1000, help="on the node that dies")
    parser.add_argument("--many", type=int, default=10_000, help="on the node that dies, for memory and the journal")
    options = parser.parse_args()
    found, notes = moving_time.measured(options.routers, (0.05, 0.2), options.many)
    return 0 if figures.tell("reschedule", found, notes) else 1


if __name__ == "__main__":
    sys.exit(main())
