#!/usr/bin/env bash
# Debian's Linux on Tayberry and on QEMU's raspi3b, alternating: host seconds from the start of the program to the line that the RAM disk's init
# prints, and processor seconds used until then; the best of N runs each.
#   benches/linux-beside-qemu.sh [RUNS]    needs qemu-system-aarch64, a release build, and guest/debian/fetch.sh; QEMU=none leaves QEMU out
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
tayberry=${TAYBERRY:-target/release/tayberry}
read -ra more <<<"${TAYBERRY_ARGS:-}"
qemu=${QEMU:-qemu-system-aarch64}
# Where QEMU sees the files, if it runs in a root of its own.
files=${TAYBERRY_DEBIAN:-target/debian} qemu_files=${QEMU_FILES:-${TAYBERRY_DEBIAN:-target/debian}}
append="console=ttyAMA0 modules=bcm2835_wdt"
[ -e "$files/versions.txt" ] || { echo "$0: nothing in $files: run guest/debian/fetch.sh" >&2; exit 2; }
[ "$qemu" = none ] || "$qemu" --version | head -n 1

# Seconds, and processor seconds, until a program prints init's line; then it is ended.
seconds() {
    local from to line
    from=$(date +%s.%N)
    exec {out}< <(exec "$@" </dev/null 2>/dev/null)
    local program=$!
    while read -r -t 300 -u "$out" line; do
        [[ $line == Linux*processors* ]] && break
    done
    to=$(date +%s.%N)
    local ticks
    ticks=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$program/stat")
    kill "$program" 2>/dev/null || true
    exec {out}<&-
    awk "BEGIN { printf \"%.2f (%.2f)\\n\", $to - $from, $ticks / $(getconf CLK_TCK) }"
}
best() { sort -n | head -n 1; }

ours=() theirs=()
for _ in $(seq "$runs"); do
    ours+=("$(seconds "$tayberry" --frontend headless "${more[@]}" --dtb "$files/bcm2837-rpi-3-b.dtb" --initrd "$files/initrd" --append "$append" "$files/vmlinuz")")
    [ "$qemu" = none ] || theirs+=("$(seconds "$qemu" -M raspi3b -dtb "$qemu_files/bcm2837-rpi-3-b.dtb" -initrd "$qemu_files/initrd" -append "$append" \
        -kernel "$qemu_files/vmlinuz" -display none -serial stdio -serial null)")
done
a=$(printf '%s\n' "${ours[@]}" | best)
if [ "$qemu" = none ]; then
    printf 'Tayberry: %s\nbest: %s s and - s\n' "${ours[*]}" "$a"
    exit
fi
b=$(printf '%s\n' "${theirs[@]}" | best)
printf 'Tayberry: %s\nQEMU:     %s\n' "${ours[*]}" "${theirs[*]}"
echo "best: $a s and $b s, ratio $(awk "BEGIN { printf \"%.2f\", ${b% *} / ${a% *} }") (QEMU's time over Tayberry's; above 1 Tayberry is faster)"
