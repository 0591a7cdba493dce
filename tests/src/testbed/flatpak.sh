#!/bin/sh
# Builds a Flatpak runtime from a few programs in /usr, and empty applications.
# $1: an empty directory, which becomes FLATPAK_USER_DIR. The other arguments: the applications' names.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work" XDG_DATA_HOME="$work/data" XDG_CACHE_HOME="$work/cache" XDG_RUNTIME_DIR="$work"
export FLATPAK_USER_DIR="$1" FLATPAK_SYSTEM_DIR="$work/system"
# Use neither the tester's session nor Flatpak's system helper.
unset DBUS_SESSION_BUS_ADDRESS
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nonexistent
shift
platform=org.example.Platform/$(flatpak --default-arch)/stable
usr="$work/runtime/usr"
mkdir -p "$usr/bin" "$usr/lib" "$usr/lib64" "$work/runtime/files" "$work/system"

# busctl is left out: sd-bus cannot authenticate to xdg-dbus-proxy 0.1.4.
programs='/bin/sh /bin/cat /bin/ls /bin/sleep /usr/bin/env /usr/bin/python3'
library=$(/usr/bin/python3 -c 'import sys; print("lib/python%d.%d" % sys.version_info[:2])')
module=$(/usr/bin/python3 -c 'import _dbus_bindings; print(_dbus_bindings.__file__)')
tar -C /usr --exclude=__pycache__ --exclude='config-*' -cf - "$library" lib/python3/dist-packages/dbus "${module#/usr/}" |
    tar -C "$usr" -xf -
# shellcheck disable=SC2086 # one word each
cp -L $programs "$usr/bin/"
# Rust programs need it.
gcc=$(ls /lib/*/libgcc_s.so.1)
cp -L "$gcc" "$usr/lib/"
# shellcheck disable=SC2086
ldd $programs "$module" "$gcc" "/usr/$library"/lib-dynload/*.so |
    sed -n 's/^\t\(.* => \)\{0,1\}\(\/[^ ]*\) (0x.*/\2/p' | sort -u |
    while read -r needed; do
        case $needed in
        */ld-*) cp -L "$needed" "$usr/lib64/" ;;
        *) cp -L "$needed" "$usr/lib/" ;;
        esac
    done

cat >"$work/runtime/metadata" <<EOF
[Runtime]
name=org.example.Platform
runtime=$platform
sdk=$platform
EOF
flatpak build-export --disable-sandbox --runtime "$work/repo" "$work/runtime" stable
flatpak --user remote-add --no-gpg-verify tests "$work/repo"
flatpak --user install --noninteractive tests "$platform"
for application; do
    flatpak build-init "$work/$application" "$application" "$platform" "$platform" stable
    flatpak build-finish --no-exports --command=sh "$work/$application"
    flatpak build-export --disable-sandbox "$work/repo" "$work/$application" stable
    flatpak --user install --noninteractive tests "$application"
done
