#!/bin/sh
# Runs inside the image's root while it is built, with the network of the building host: OpenStack's environment, its
# database schemas, and no service that a role has not asked for. Input in /run/hotspare-build: the two locks, and the
# building host's settings.
set -eu
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
. /run/hotspare-build/environment
say() { echo "hotspare: $*"; }

say "OpenStack from the Python package index"
python3 -m venv /opt/openstack
pip() { /opt/openstack/bin/pip --quiet --no-cache-dir --disable-pip-version-check --no-input "$@"; }
pip install --no-deps --require-hashes --only-binary :all: --requirement /run/hotspare-build/openstack.lock
pip install --no-deps --require-hashes --no-build-isolation --requirement /run/hotspare-build/openstack-source.lock
pip check
for command in /opt/openstack/bin/neutron-* /opt/openstack/bin/keystone-* /opt/openstack/bin/privsep-helper; do
    ln -sf "$command" /usr/bin/
done
install -d -m 0755 /etc/neutron/plugins/ml2 /etc/keystone /var/lib/neutron /var/lib/neutron/lock
for file in api-paste.ini rootwrap.conf; do install -m 0644 "/opt/openstack/etc/neutron/$file" /etc/neutron/; done
cp -r /opt/openstack/etc/neutron/rootwrap.d /etc/neutron/
sed -i 's,^filters_path=.*,filters_path=/etc/neutron/rootwrap.d,' /etc/neutron/rootwrap.conf

say "database schemas"
cat > /etc/mysql/mariadb.conf.d/90-hotspare-lab.cnf <<'CNF'
# A controller for a few dozen routers on a machine with 2 cores: small, and no waiting for the disk.
[mariadbd]
innodb_buffer_pool_size = 64M
innodb_log_file_size = 16M
innodb_flush_log_at_trx_commit = 0
innodb_doublewrite = 0
performance_schema = off
skip-name-resolve
key_buffer_size = 1M
max_connections = 300
bind-address = 0.0.0.0
CNF
find /var/lib/mysql -mindepth 1 -delete
mariadb-install-db --user=mysql --skip-test-db >/dev/null
install -d -o mysql -g mysql /run/mysqld
mariadbd --user=mysql --skip-networking --skip-log-error >/run/hotspare-build/mariadbd.log 2>&1 &
database=$!
tries=0
until mariadb-admin --silent ping 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { cat /run/hotspare-build/mariadbd.log; exit 1; }
    sleep 0.1
done
mariadb -e 'CREATE DATABASE keystone CHARACTER SET utf8mb3; CREATE DATABASE neutron CHARACTER SET utf8mb3'
for service in keystone neutron; do
    printf '[database]\nconnection = mysql+pymysql://root@localhost/%s?unix_socket=/run/mysqld/mysqld.sock\n' "$service" \
        > "/run/hotspare-build/$service.conf"
done
keystone-manage --config-file /run/hotspare-build/keystone.conf db_sync
neutron-db-manage --config-file /run/hotspare-build/neutron.conf upgrade heads >/dev/null
mariadb-admin shutdown
wait "$database"

say "services off until a role asks for them"
mkdir -p /etc/systemd/system-preset
cat > /etc/systemd/system-preset/00-hotspare-lab.preset <<'PRESET'
enable ssh.service
enable dbus.socket
disable *
PRESET
systemctl preset-all >/dev/null 2>&1
# A machine has no console to log in at; each of these would hold inotify instances, of which a host has few.
systemctl mask --quiet console-getty.service systemd-logind.service
find /etc/rc?.d -type l -delete
rm -f /etc/ssh/ssh_host_* /etc/apt/apt.conf.d/99mmdebstrap /etc/init.d/openvswitch-switch
rm -rf /var/lib/rabbitmq/mnesia /var/lib/rabbitmq/.erlang.cookie /var/log/mysql/* /root/.cache
rm -f /etc/hostname /etc/resolv.conf
passwd --quiet --lock root
