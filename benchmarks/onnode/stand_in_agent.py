#!/usr/bin/python3
"""Stands where neutron-l3-agent would: a process with a connection to a broker. That is all a monitor looks at."""

import socket
import time

broker = socket.create_server(("127.0.0.1", 5672))
connection = socket.create_connection(("127.0.0.1", 5672))
accepted = broker.accept()
time.sleep(100_000)
