#!/bin/sh
# What the bash agent of openstack-resource-agents does in a monitor of the L3 agent: OCF's shell functions, the
# binaries, the file and the user, the process of the pid file, an established connection to the broker.
: "${OCF_FUNCTIONS_DIR=${OCF_ROOT}/lib/heartbeat}"
. "${OCF_FUNCTIONS_DIR}/ocf-shellfuncs"

check_binary "$OCF_RESKEY_binary"
check_binary netstat
[ -f "$OCF_RESKEY_config" ] || exit "$OCF_ERR_INSTALLED"
getent passwd "$OCF_RESKEY_user" >/dev/null 2>&1 || exit "$OCF_ERR_INSTALLED"
[ -f "$OCF_RESKEY_pid" ] || exit "$OCF_NOT_RUNNING"
pid=$(cat "$OCF_RESKEY_pid")
ocf_run -warn kill -s 0 "$pid" || exit "$OCF_NOT_RUNNING"
netstat -punt | grep -s "$OCF_RESKEY_amqp_port" | grep -s "$pid" | grep -qs ESTABLISHED || exit "$OCF_NOT_RUNNING"
exit "$OCF_SUCCESS"
