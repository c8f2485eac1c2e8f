#!/bin/sh
# Makes the virtual environment $1 and installs the lock file $2 and this project into it. Safe to run again.
set -eu
venv=$1
lock=$2

# Debian's own build comes first: it is compiled with profile and link-time optimization, which a pyenv build by default is
# not, and serves a fifth more requests. A Python that can make environments at once goes before one that needs a package.
find_python() {
    for needs in "import sys, venv, ensurepip" "import sys"; do
        for candidate in ${PYTHON:-/usr/bin/python3.11 python3.11 python3.12 python3.13 python3}; do
            if "$candidate" -c "$needs; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
                echo "$candidate"
                return
            fi
        done
    done
    echo "Forecourt needs Python 3.11 or newer. Install it, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
}

make_venv() {
    rm -rf "$venv"
    "$python" -m venv "$venv" 2>/dev/null && return
    # Debian keeps venv's own pip in a package of its own.
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing python$version-venv ..."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv" >/dev/null
        rm -rf "$venv"
        "$python" -m venv "$venv"
    else
        rm -rf "$venv"
        echo "Python has no venv here. As root: apt-get install python$version-venv" >&2
        exit 1
    fi
}

if [ ! -w "$(dirname "$venv")" ]; then
    echo "$(pwd) cannot be written by $(id -un), and the environment goes into $venv. Clone it to a folder of your own." >&2
    exit 1
fi
if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version) ..."
    make_venv
fi
echo "Installing $lock (about a minute the first time) ..."
pip() {
    "$venv/bin/python" -m pip --quiet --disable-pip-version-check "$@" || {
        echo "The packages could not be installed; pip says above why. Without a network set PIP_NO_INDEX=1, and" >&2
        echo "PIP_FIND_LINKS to a folder that has them. Then type make again." >&2
        exit 1
    }
}
pip install --require-hashes -r "$lock"
pip install --no-deps --no-build-isolation -e .
# An editable install leaves the source uncompiled, which costs every start half a second where PYTHONDONTWRITEBYTECODE is set.
"$venv/bin/python" -m compileall -q src
