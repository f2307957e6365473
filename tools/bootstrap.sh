# Sourced by ./quickstart and ./run-tests: what a bare Debian 12 needs before any Python of ours can run.
# Each function may be repeated and does nothing when there is nothing to do.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
STARTED_AT=${EPOCHREALTIME/./}
CLIENT_PACKAGES=("python-openstackclient>=7" "setuptools<81") # the client still asks for pkg_resources
KEYSTONE_PACKAGES=("keystone>=26" "gunicorn>=27.0.1") # the real one, for tests and figures beside ours
BOOTSTRAP_LOG=${TMPDIR:-/tmp}/nova-lite-bootstrap.$$.log
trap 'rm -f "$BOOTSTRAP_LOG"' EXIT
if [ -t 1 ]; then BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'; else BOLD='' DIM='' RED='' GREEN='' PLAIN=''; fi

# seconds_since MICROSECONDS: 12.3
seconds_since() {
  local tenths=$(((${EPOCHREALTIME/./} - $1) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# step TITLE COMMAND...: runs it with its output kept aside; shows the title, the time, and the output only if it failed.
step() {
  local title=$1 began=${EPOCHREALTIME/./}
  shift
  [ ! -t 1 ] || printf '%s  %s ...%s' "$DIM" "$title" "$PLAIN"
  if "$@" >"$BOOTSTRAP_LOG" 2>&1 </dev/null; then
    [ ! -t 1 ] || printf '\r\e[K'
    printf '  %s✓%s %-46s %s%6s s%s\n' "$GREEN" "$PLAIN" "$title" "$DIM" "$(seconds_since "$began")" "$PLAIN"
    return 0
  fi
  [ ! -t 1 ] || printf '\r\e[K'
  printf '  %s✗ %s%s\n' "$RED" "$title" "$PLAIN"
  tail -n 30 "$BOOTSTRAP_LOG" | sed 's/^/    /'
  return 1
}

# wanted_packages LIST...: the package names in those files.
wanted_packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$@" | awk '{print $1}'; }

# missing_packages LIST...: those of them that are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${binary:Package} ${db:Status-Abbrev}\n' $(wanted_packages "$@") 2>/dev/null | awk '$2 ~ /^.i/ {sub(/:.*/, "", $1); print $1}')
  for package in $(wanted_packages "$@"); do
    grep -qx -- "$package" <<<"$installed" || printf '%s ' "$package"
  done
}

# install_packages LIST...: one apt-get install for all that is missing. No package outside the lists is asked for.
install_packages() {
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "Missing Debian packages, and only root may install them: $missing"
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q -o DPkg::Lock::Timeout=300 update &&
    apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install --no-install-recommends $missing
}

# find_python: the first Python of at least 3.11: Debian's own, else what is on the PATH.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" /usr/bin/python3 python3; do
    [ -n "$candidate" ] || continue
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$candidate"; return 0; }
  done
  echo "No Python of 3.11 or newer was found." >&2
  return 1
}

# install_venv FOLDER WHAT FILE... -- PIP-ARGUMENT...: a virtual environment, made anew only when one of the files,
# the arguments or the interpreter changed since it was last completed.
install_venv() {
  local folder=$1 python stamp
  shift
  local files=()
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  python=$(find_python) || return 1
  stamp=$({ "$python" -V; echo "$TOP" "$@"; [ ${#files[@]} = 0 ] || cat "${files[@]}"; } | sha256sum)
  [ "$(cat "$folder/.complete" 2>/dev/null)" != "$stamp" ] || return 0
  rm -f "$folder/.complete"
  [ -x "$folder/bin/pip" ] || "$python" -m venv --clear "$folder" || return 1
  (cd "$TOP" && PIP_DISABLE_PIP_VERSION_CHECK=1 "$folder/bin/pip" install --no-input -q "$@") && echo "$stamp" >"$folder/.complete"
}
