#!/bin/sh
# Builds armstub.bin from armstub.S (Debian: binutils-aarch64-linux-gnu). With --check only compares.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aarch64-linux-gnu-as -o "$work/armstub.o" armstub.S
aarch64-linux-gnu-objcopy -O binary -j .text "$work/armstub.o" "$work/armstub.bin"
if [ "${1:-}" = --check ]; then
    cmp "$work/armstub.bin" armstub.bin
else
    cp "$work/armstub.bin" armstub.bin
fi
