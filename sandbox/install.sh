#!/usr/bin/env bash
# Make .venv and install locked requirements into it: sandbox/install.sh FILE...
# Needs Python 3.11 to 3.13. Where Debian's python3-venv is missing, root gets it installed, others are told what to type.
set -euo pipefail
cd "$(dirname "$0")/.."

python=""
for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
  if command -v "$candidate" >/dev/null \
     && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "Found no Python 3.11, 3.12 or 3.13; expected one as python3, or named by PYTHON=..." >&2
  exit 1
fi

if [ ! -x .venv/bin/python ]; then
  if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      echo "Installing $package (this Python cannot make virtual environments without it)"
      apt-get update -qq && apt-get install -y -qq "$package" >/dev/null
    else
      echo "This Python cannot make virtual environments. Run: sudo apt-get install $package" >&2
      exit 1
    fi
  fi
  "$python" -m venv .venv
fi
packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n%s\n' "$PWD" "$PWD/plugins" > "$packages/upkeep.pth"

arguments=()
for file in "$@"; do arguments+=(-r "$PWD/$file"); done
# uv installs the same locked files in a fraction of pip's time; where it cannot be had or cannot reach the index
# (it does not read pip.conf), pip does. --system-certs: a company's own CA is trusted as pip trusts it.
# --compile-bytecode, as pip does: otherwise each of Airflow's many processes may compile all of it anew, for seconds.
# From /: in the clone uv reads the constraint of pyproject.toml too, which is for `make lock`, and refuses it beside hashes.
echo "Installing $* into .venv"
began=$SECONDS
if { [ -x .venv/bin/uv ] || .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r sandbox/uv.txt; } \
   && VIRTUAL_ENV=$PWD/.venv .venv/bin/uv --directory / pip install -q --system-certs --compile-bytecode --require-hashes "${arguments[@]}"; then
  :
else
  echo "uv could not; taking pip, which needs a few minutes"
  .venv/bin/python -m pip install --disable-pip-version-check --progress-bar on --require-hashes "${arguments[@]}"
fi
echo "Installed in $((SECONDS - began)) s"
