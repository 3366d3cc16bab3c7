#!/bin/sh
# The recipe by hand: neutron-ovs-cleanup, then every router's namespace. The line with `ip netns pids` is no part of
# it, but without it haproxy lives on in a namespace without a name, and the last trace would never go.
/opt/openstack/bin/neutron-ovs-cleanup --config-file /etc/neutron/cleanup.conf
for netns in $(ip netns list | awk '/^qrouter-/ {print $1}'); do
    ip netns pids "$netns" | xargs -r kill
    ip netns delete "$netns"
done
