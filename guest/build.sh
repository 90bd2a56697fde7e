#!/bin/sh
# Builds the guest programs into images/NAME.img: raw binaries, loaded and entered at 0x80000.
#
#   build.sh           build all
#   build.sh --check   build into a temporary directory and compare with the committed images;
#                      exit 1, naming it, if one differs
#
# Needs Debian's gcc-aarch64-linux-gnu and g++-aarch64-linux-gnu (12.2). The same compiler gives the same bytes: no paths, no times,
# no build identifiers.
set -eu
cd "$(dirname "$0")"
export LC_ALL=C SOURCE_DATE_EPOCH=0

guests="demo storm echo irqtimer smp litmus bench suite card hyper tasks higher tree loader blit objects flip screens tune usbkbd semihost pins"
cross="${CROSS_COMPILE:-aarch64-linux-gnu-}"
# Integer registers only, so that exception handlers need not save the others. Floating point is switched on
# file by file (a first line that says so), vectorising never: the guests are to run on young emulators.
flags="-O2 -Wall -Wextra -Werror -Ilib
    -ffreestanding -fno-strict-aliasing -nostdlib -nostartfiles -static -fno-pic -fno-pie -fno-common
    -ffunction-sections -fdata-sections -fno-stack-protector -fno-asynchronous-unwind-tables
    -fno-ident -fno-tree-vectorize -fno-tree-slp-vectorize
    -mcpu=cortex-a53 -mstrict-align -mno-outline-atomics --param=min-pagesize=0"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=images
[ "${1:-}" = --check ] && out="$work/images"
mkdir -p "$out" "$work/lib"

# compile SOURCE OBJECT
compile() {
    case "$1" in
        *.cc) compiler="g++ -std=gnu++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics" ;;
        *) compiler="gcc -std=gnu11" ;;
    esac
    case "$1" in
        *.S) registers= ;;
        *) if head -n 1 "$1" | grep -q 'floating point'; then registers=; else registers=-mgeneral-regs-only; fi ;;
    esac
    "${cross}"$compiler $flags $registers -c "$1" -o "$2"
}

for source in lib/*.S lib/*.c; do
    compile "$source" "$work/lib/$(basename "$source").o"
done

for guest in $guests; do
    mkdir "$work/$guest"
    for source in "$guest"/*.[cS] "$guest"/*.cc; do
        [ -e "$source" ] && compile "$source" "$work/$guest/$(basename "$source").o"
    done
    # A guest may have its own entry and layout in place of the library's.
    library=$(ls "$work"/lib/*.o)
    [ -e "$guest/start.S" ] && library=$(echo "$library" | grep -v '/start.S.o$')
    layout=lib/link.ld
    [ -e "$guest/link.ld" ] && layout="$guest/link.ld"
    "${cross}ld" -T "$layout" --gc-sections --no-warn-rwx-segments --build-id=none --fix-cortex-a53-843419 -o "$work/$guest.elf" \
        "$work/$guest"/*.o $library
    "${cross}objcopy" -O binary "$work/$guest.elf" "$out/$guest.img"
    chmod 644 "$out/$guest.img"
    if [ "${1:-}" = --check ] && ! cmp -s "$out/$guest.img" "images/$guest.img"; then
        echo "build.sh: images/$guest.img is not what its sources make" >&2
        exit 1
    fi
done

# The one that is an ELF file with lines of source, by names that say nothing of this folder.
mkdir "$work/crash"
for source in crash/crash.c crash/start.S; do
    "${cross}gcc" -std=gnu11 $(echo "$flags" | sed 's/-O2/-Og/') -mgeneral-regs-only -fno-omit-frame-pointer -fno-optimize-sibling-calls \
        -g -gdwarf-5 -gno-record-gcc-switches "-ffile-prefix-map=$PWD=guest" -c "$source" -o "$work/crash/$(basename "$source").o"
done
"${cross}ld" -T crash/link.ld --no-warn-rwx-segments --build-id=none -o "$out/crash.elf" "$work/crash"/start.S.o "$work/crash"/crash.c.o
chmod 644 "$out/crash.elf"
if [ "${1:-}" = --check ] && ! cmp -s "$out/crash.elf" images/crash.elf; then
    echo "build.sh: images/crash.elf is not what its sources make" >&2
    exit 1
fi
[ "${1:-}" = --check ] || ls -l images
