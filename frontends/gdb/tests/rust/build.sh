#!/bin/sh
# Builds kernel.elf, with debug symbols; it is kept, so that the tests need no other compiler. TARGET may be aarch64-unknown-linux-gnu where aarch64-unknown-none is
# not installed: of both, only `core` is used.
set -e
cd "$(dirname "$0")"
rustc --edition 2024 --crate-name kernel --crate-type bin --target "${TARGET:-aarch64-unknown-none}" -C linker=aarch64-linux-gnu-ld -C linker-flavor=ld \
    -C link-arg=-T../c/link.ld -C link-arg=-n -C link-arg=--gc-sections -C relocation-model=static -C panic=abort -C opt-level=1 -g -C target-feature=+strict-align \
    --remap-path-prefix "$(rustc --print sysroot)"=/rust --remap-path-prefix "$PWD"=. -o "${1:-kernel.elf}" kernel.rs
