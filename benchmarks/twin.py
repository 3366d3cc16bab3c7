"""`make bench NAME=twin`: takeovers by a parked twin beside the cold way, VRRP and Neutron's failover, in one lab."""

import argparse
import os
import sys

import figures
import neutron_failover
import takeovers
from bench_lab import bench_lab
from lab_parts import Lab
from lab_twin import grown

FEW, SOME, MANY = 5, 40, 100
OURS, COLD, VRRP, FAILOVER = PARTS = ("ours", "cold", "vrrp", "failover")


def main() -> int:
    """0: all that is asked holds. 1: a figure is missed."""
    parser = argparse.ArgumentParser(prog="make bench NAME=twin OPTIONS=…", description=__doc__)
    parser.add_argument("--lab", metavar="NAME", help="use this lab, which is up with strategy twin; else one is made")
    parser.add_argument("--routers", type=int, nargs=3, default=(FEW, SOME, MANY), metavar="N", help="few, some, many")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="these parts, and no other")
    options = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("a lab needs root")
    ours, peers = takeovers.Takeovers(), neutron_failover.Outages()
    met = False
    try:
        with bench_lab(options.lab, "--strategy", "twin", "--routers", str(options.routers[0])) as lab:
            _measure(lab, ours, peers, options)
    finally:  # after most of an hour something is told, whatever became of the rest
        found = [*ours.figures(peers), *peers.figures()]
        met = figures.tell("twin", found, [*takeovers.NOTES, *neutron_failover.NOTES, *ours.notes])
    return 0 if met else 1


def _measure(lab: Lab, ours: takeovers.Takeovers, peers: neutron_failover.Outages, options: argparse.Namespace) -> None:
    few, some, many = options.routers
    lab.hotspare("apply", timeout_s=600)
    grown(lab, few)
    if OURS in options.only:
        ours.few(lab, few)
    grown(lab, some)
    if OURS in options.only:
        ours.some(lab, some)
    if COLD in options.only:
        ours.cold(lab, some)
    if {VRRP, FAILOVER} & set(options.only):
        neutron_failover.measure(lab, peers, vrrp=VRRP in options.only, failover=FAILOVER in options.only)
    if OURS in options.only:
        grown(lab, many)
        ours.many(lab, many)


if __name__ == "__main__":
    sys.exit(main())
