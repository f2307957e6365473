#!/usr/bin/env bash
# clients.sh IMAGE-FILE: the daily commands of the unchanged `openstack` client, as a user types them.
#
# OPENSTACK is the client, OS_CLIENT_CONFIG_FILE names a clouds.yaml with the clouds nova-lite and nova-lite-admin.
# One line a command: ok or FAIL with the client's last words. What is made is deleted again. Exit status 1 when one failed,
# 2 when nothing can be done.
set -u
image_file=${1:?IMAGE-FILE}
openstack=${OPENSTACK:-openstack}
export PYTHONWARNINGS=ignore
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
name=try$RANDOM

user() { timeout 120 "$openstack" --os-cloud nova-lite "$@" </dev/null; }
admin() { timeout 120 "$openstack" --os-cloud nova-lite-admin "$@" </dev/null; }

# try WHO COMMAND...: must succeed; its output is in $work/out
try() {
  if "$@" >"$work/out" 2>"$work/err"; then
    passed=$((passed + 1))
    printf 'ok    %s\n' "$*"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n      %s\n' "$*" "$(tail -n 2 "$work/err" | tr '\n' ' ')"
  fi
}

# says TEXT: the last command's output has it
says() {
  grep -qiE -- "$1" "$work/out" && return
  failed=$((failed + 1))
  printf 'FAIL  the output does not say %s: %s\n' "$1" "$(tr -s '\n ' ' ' <"$work/out" | head -c 300)"
}

# refuses TEXT WHO COMMAND...: must fail with that in its words
refuses() {
  local words=$1
  shift
  if ! "$@" >"$work/out" 2>"$work/err" && grep -qiE -- "$words" "$work/err"; then
    passed=$((passed + 1))
    printf 'ok    refused: %s\n' "$*"
  else
    failed=$((failed + 1))
    printf 'FAIL  should have been refused with "%s": %s\n      %s\n' "$words" "$*" "$(tail -n 1 "$work/err")"
  fi
}

# until_status STATUS SERVER
until_status() {
  for _ in $(seq 90); do
    status=$(user server show "$2" -f value -c status 2>/dev/null)
    [ "$status" = "$1" ] && { passed=$((passed + 1)); printf 'ok    %s is %s\n' "$2" "$1"; return; }
    [ "$status" = ERROR ] && break
  done
  failed=$((failed + 1))
  printf 'FAIL  %s should be %s and is %s\n' "$2" "$1" "$status"
}

echo "# identity"
try user token issue; says 'expires'
[ "$failed" = 0 ] || { echo "the cloud cannot be used at all"; exit 2; }
try user catalog list; says 'compute'; says 'image'; says 'network'

echo "# image"
try user image create "$name" --file "$image_file" --disk-format qcow2 --container-format bare --property color=blue
try user image list; says "$name"
try user image show "$name"; says 'active'; says 'blue'
try user image set "$name" --name "$name-renamed" --property color=red
try user image show "$name-renamed" -f json; says 'red'
try user image save "$name-renamed" --file "$work/saved"
cmp -s "$image_file" "$work/saved" || { failed=$((failed + 1)); echo "FAIL  the saved image differs"; }

echo "# flavor"
try admin flavor create "$name" --ram 128 --disk 1 --vcpus 1 --id auto
try user flavor list; says "$name"
try user flavor show "$name"; says '128'
refuses '403|not allowed|policy' user flavor create forbidden --ram 1 --disk 1 --vcpus 1

echo "# keypair"
try user keypair create "$name" --private-key "$work/key"; [ -s "$work/key" ] || { failed=$((failed + 1)); echo "FAIL  no private key"; }
ssh-keygen -q -t ed25519 -N '' -f "$work/own"
try user keypair create "$name-own" --public-key "$work/own.pub"
try user keypair list; says "$name-own"
try user keypair show "$name-own"; says 'ssh'

echo "# network"
try user network list -f value -c Name
network=$(head -n 1 "$work/out")
try user network show "$network"
try user subnet list -f value -c ID
try user subnet show "$(head -n 1 "$work/out")"; says 'cidr'
try user port create --network "$network" "$name"
try user port list; says "$name"
try user port show "$name"; says 'fixed_ips'

echo "# server"
printf '#!/bin/sh\necho hello from user data\n' >"$work/user-data"
try user server create "$name" --image "$name-renamed" --flavor "$name" --key-name "$name" --network "$network" \
  --user-data "$work/user-data" --config-drive true --property purpose=test --wait
try user server show "$name"; says 'ACTIVE'; says "purpose"
try user server create "$name-port" --image "$name-renamed" --flavor "$name" --port "$name" --wait
try user server create "$name-many" --image "$name-renamed" --flavor "$name" --network "$network" --min 2 --max 2 --wait
try user server list; says "$name-many-1"; says "$name-many-2"
try user console log show "$name"
try user server stop "$name"; until_status SHUTOFF "$name"
try user server start "$name"; until_status ACTIVE "$name"
try user server reboot --soft --wait "$name"
try user server reboot --hard --wait "$name"
try user server event list "$name" -f value; says 'create'; says 'reboot'
request=$(awk '$0 ~ /create/ {for (i = 1; i <= NF; i++) if ($i ~ /^req-/) {print $i; exit}}' "$work/out")
try user server event show "$name" "$request"; says 'create'
refuses 'No .*(found|exists)' user server show "no-$name"
refuses 'flavor' user server create wrong --image "$name-renamed" --flavor "no-$name" --network "$network"

echo "# operator"
try admin hypervisor list; says 'QEMU|fake|KVM'
try admin compute service list; says 'nova-compute'; says 'nova-conductor'; says 'nova-scheduler'
try user limits show --absolute; says 'instances_used|totalInstancesUsed'

echo "# taking away"
try user server delete --wait "$name" "$name-port" "$name-many-1" "$name-many-2"
try user server list -f value; ! grep -q "$name" "$work/out" || { failed=$((failed + 1)); echo "FAIL  servers are left"; }
user port show "$name" >/dev/null 2>&1 && try user port delete "$name"
try user keypair delete "$name" "$name-own"
try user image delete "$name-renamed"
try admin flavor delete "$name"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
