#!/bin/sh
# Makes sure that the programs named are there: installs Debian's packages where it may, otherwise says what to install.
set -eu

package_of() {
    case $1 in
        node) echo nodejs ;;
        chromedriver) echo chromium-driver ;;
        nginx) echo nginx-light ;;
        *) echo "$1" ;;
    esac
}

missing=""
for program in "$@"; do
    PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing="$missing $(package_of "$program")"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing$missing ..."
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "This needs programs that are not here. As root: apt-get install$missing" >&2
    exit 1
fi
