#!/bin/sh
# Builds guest.elf, with debug symbols; it is kept, so that the tests need no compiler.
set -e
cd "$(dirname "$0")"
aarch64-linux-gnu-gcc -g -gdwarf-4 -O1 -ffreestanding -nostdlib -static -no-pie -fno-pic -mstrict-align -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fdebug-prefix-map="$PWD"=. -DSPIN="${SPIN:-2000000}" -Wl,--build-id=none,-z,max-page-size=4096 -T link.ld -o "${1:-guest.elf}" start.S main.c
