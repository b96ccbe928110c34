#!/bin/sh
# Builds both C libraries and installs them with header and pkg-config files.
#
#   ffi/install.sh [PREFIX]        default /usr/local
#
# Environment: DESTDIR (put before every path), LIBDIR (default PREFIX/lib), PROFILE (cargo's, default release).
set -eu
cd "$(dirname "$0")/.."

prefix=${1:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
includedir=$prefix/include
destdir=${DESTDIR:-}
profile=${PROFILE:-release}
target=${CARGO_TARGET_DIR:-target}
built=$target/$([ "$profile" = dev ] && echo debug || echo "$profile")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

# Two builds: in one, cargo would give both libraries the features of either.
cargo build --quiet --profile "$profile" -p postrider-ffi
cargo build --quiet --profile "$profile" -p postrider-ffi-client

install -d "$destdir$includedir" "$destdir$libdir/pkgconfig"
install -m 644 include/postrider.h "$destdir$includedir/postrider.h"

# library NAME BUILT-NAME DESCRIPTION
library() {
    install -m 755 "$built/lib$2.so" "$destdir$libdir/lib$1.so.$version"
    ln -sf "lib$1.so.$version" "$destdir$libdir/lib$1.so.0"
    ln -sf "lib$1.so.0" "$destdir$libdir/lib$1.so"
    install -m 644 "$built/lib$2.a" "$destdir$libdir/lib$1.a"
    sed -e "s|@prefix@|$prefix|" -e "s|@libdir@|$libdir|" -e "s|@includedir@|$includedir|" \
        -e "s|@name@|$1|" -e "s|@version@|$version|" -e "s|@description@|$3|" \
        ffi/postrider.pc.in >"$destdir$libdir/pkgconfig/$1.pc"
}
library postrider postrider "Event dispatch for mail servers: the engine"
library postrider-client postrider_client "Event dispatch for mail servers: client of an engine, without threads or sockets"
