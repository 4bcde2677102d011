#!/bin/bash
# Runs a command beside a service manager of its own: a real systemd and a real nginx, on a host that need not run either.
#
#   sudo examples/restart-nginx/with-systemd.sh COMMAND [ARGUMENT...]
#
# COMMAND finds the manager's bus in REX_BUS and nginx's port on 127.0.0.1 in REX_PORT (REX_TEST_PORT chooses it).
# Everything lives in a private mount namespace and ends with COMMAND, whose exit code is passed on. If something that
# this needs is missing, it says `left out: ...` and exits with 77.
set -u
umask 022

leave_out() { echo "left out: $*" >&2; exit 77; }
give_up() { echo "with-systemd.sh: $*" >&2; exit 70; }

# Waits up to ten seconds until a condition holds.
await() {
    local _
    for _ in $(seq 200); do
        "$@" && return 0
        sleep 0.05
    done
    return 1
}

if [ "${1-}" != --inside ]; then
    [ $# -gt 0 ] || { echo "usage: with-systemd.sh COMMAND [ARGUMENT...]" >&2; exit 2; }
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    export PATH
    [ "$EUID" = 0 ] || leave_out "root is needed for a mount namespace"
    for tool in unshare mount dbus-daemon nginx systemctl; do
        command -v "$tool" >/dev/null || leave_out "there is no $tool"
    done
    [ -x /lib/systemd/systemd ] || leave_out "there is no systemd"
    unshare -m true 2>/dev/null || leave_out "no mount namespace can be made here"
    exec unshare -m --propagation private "$BASH" "$0" --inside "$@"
fi
shift

mount -t tmpfs -o mode=755 rex-run /run || leave_out "nothing can be mounted here"
home=/run/rex
mkdir -p /run/systemd/system $home/units $home/config $home/state $home/nginx
mkdir -m 700 $home/runtime
bus=unix:path=$home/runtime/bus

# A manager takes over the control group that it starts in, and moves whoever else is in it. So it gets one of its own in
# every hierarchy, which also keeps two of these apart. Nothing is started unless that worked where systemd looks.
groups=() tracked=''
while read -r _ mount kind options _; do
    case $kind in cgroup | cgroup2) ;; *) continue ;; esac
    # Hierarchies that want a setup of their own first (cpuset) hold no process of the manager, and are left alone.
    case ,$options, in *,cpuset,* | *,devices,*) continue ;; esac
    mkdir "$mount/rex-test-$$" 2>/dev/null || continue
    groups+=("$mount/rex-test-$$")
    case $kind,$options, in cgroup2,* | *,name=systemd,*) tracked=yes ;; esac
done </proc/mounts
remove_groups() {
    local group
    for group in "${groups[@]}"; do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        [ ! -d "$group" ] || return 1
    done
}
if [ -z "$tracked" ]; then
    remove_groups
    leave_out "no control group can be made here"
fi

# What was started here, and so what is ended here, in the opposite order.
dbus='' manager='' journald='' command=''
alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
gone() { ! alive "$1"; }
end() {
    alive "$1" || return 0
    kill -s "$2" "$1" 2>/dev/null
    await gone "$1" || kill -s KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}
finish() {
    local code=$?
    trap - EXIT INT TERM HUP
    end "$command" TERM
    # The manager stops its units before it ends.
    if alive "$manager"; then
        XDG_RUNTIME_DIR=$home/runtime DBUS_SESSION_BUS_ADDRESS=$bus \
            systemctl --user --no-block exit >/dev/null 2>&1
        await gone "$manager"
    fi
    end "$manager" TERM
    end "$dbus" TERM
    end "$journald" TERM
    await remove_groups || echo "with-systemd.sh: a control group stays behind: ${groups[*]}" >&2
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
    local port _
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        listening "$port" || { echo "$port"; return; }
    done
}
port=${REX_TEST_PORT:-$(free_port)}
[ -n "$port" ] || give_up "there is no free port"

cat >$home/nginx/nginx.conf <<END
pid $home/nginx/pid;
error_log $home/nginx/error.log;
worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $home/nginx/body;
    proxy_temp_path $home/nginx/proxy;
    fastcgi_temp_path $home/nginx/fastcgi;
    uwsgi_temp_path $home/nginx/uwsgi;
    scgi_temp_path $home/nginx/scgi;
    server {
        listen 127.0.0.1:$port;
        location / { return 200 "nginx is here\n"; }
    }
}
END
cat >$home/units/nginx.service <<END
[Unit]
Description=A web server
[Service]
Type=forking
PIDFile=$home/nginx/pid
ExecStart=$(command -v nginx) -e $home/nginx/error.log -c $home/nginx/nginx.conf
ExecReload=/bin/kill -HUP \$MAINPID
KillMode=mixed
TimeoutStopSec=5
END
ln -s nginx.service $home/units/www.service
cat >$home/units/broken.service <<END
[Unit]
Description=Never succeeds
[Service]
Type=oneshot
ExecStart=/bin/false
END
cat >$home/units/hangs.service <<END
[Unit]
Description=Never says that it is ready
[Service]
Type=notify
ExecStart=$(command -v sleep) 600
TimeoutStartSec=600
TimeoutStopSec=5
END

cat >$home/units/enabled.service <<END
[Unit]
Description=Can be enabled
After=nginx.service
[Service]
ExecStart=$(command -v sleep) 600
[Install]
WantedBy=default.target
END
cat >$home/units/nightly.timer <<END
[Unit]
Description=Every night
[Timer]
OnCalendar=*-*-* 03:00:00 UTC
Unit=enabled.service
END

# The journal of this mount namespace, where there is one to be had: COMMAND finds it as every host has it.
mkdir -p /run/log/journal
if [ ! -s /etc/machine-id ]; then
    echo 0123456789abcdef0123456789abcdef >/run/machine-id
    [ -e /etc/machine-id ] && mount --bind /run/machine-id /etc/machine-id
fi
if [ -x /lib/systemd/systemd-journald ]; then
    /lib/systemd/systemd-journald >$home/journald.log 2>&1 &
    journald=$!
    await test -S /run/systemd/journal/socket || give_up "journald did not start: $(tail -n 5 $home/journald.log)"
fi

dbus-daemon --session --nofork --nopidfile --nosyslog --address="$bus" >$home/dbus.log 2>&1 &
dbus=$!
await test -S $home/runtime/bus || give_up "dbus-daemon did not start: $(tail -n 5 $home/dbus.log)"

# Private paths, so that it loads no units but these and those of the distribution.
(
    for group in "${groups[@]}"; do
        echo "$BASHPID" >"$group/cgroup.procs" || exit 1
    done
    exec env -i PATH="$PATH" HOME=$home XDG_RUNTIME_DIR=$home/runtime DBUS_SESSION_BUS_ADDRESS="$bus" \
        XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/state XDG_STATE_HOME=$home/state \
        SYSTEMD_UNIT_PATH=$home/config/systemd/user:$home/units: SYSTEMD_LOG_TARGET=console /lib/systemd/systemd --user
) >$home/systemd.log 2>&1 &
manager=$!
answers() {
    alive "$manager" || return 0
    XDG_RUNTIME_DIR=$home/runtime DBUS_SESSION_BUS_ADDRESS="$bus" systemctl --user show --property=Version >/dev/null 2>&1
}
await answers && alive "$manager" || give_up "systemd did not start: $(tail -n 5 $home/systemd.log)"

REX_BUS=$bus REX_PORT=$port "$@" <&0 &
command=$!
wait "$command"
code=$?
command=''
exit "$code"
