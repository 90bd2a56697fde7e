#!/usr/bin/env bash
# Guest programs on Tayberry and on QEMU's raspi3b, side by side: the guest's own microseconds, alternating, the best of N runs each.
#   benches/beside-qemu.sh [RUNS]         needs qemu-system-aarch64 (Debian: qemu-system-arm); build Tayberry first
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
tayberry=${TAYBERRY:-target/release/tayberry}
qemu=${QEMU:-qemu-system-aarch64}
command -v "$qemu" >/dev/null || { echo "$0: there is no $qemu: nothing to compare with" >&2; exit 2; }
"$qemu" --version | head -n 1

# Microseconds that a guest says it took, from what it prints.
micros() { tr -d '\r' | sed -n 's/.*[ ,]\([0-9][0-9]*\) us$/\1/p' | head -n 1; }
best() { sort -n | head -n 1; }

printf '%-16s %12s %12s %8s\n' guest 'Tayberry us' 'QEMU us' ratio
for row in "bench bench.kind=int" "bench bench.kind=fill" "bench bench.kind=fp" "bench bench.kind=sort" "bench bench.kind=mem" \
    "storm storm.count=20000 storm.paint=0"; do
    image=guest/images/${row%% *}.img append=${row#* }
    ours=() theirs=()
    for _ in $(seq "$runs"); do
        ours+=("$("$tayberry" --frontend headless --timeout 120 --append "$append" "$image" </dev/null 2>/dev/null | micros)")
        theirs+=("$(timeout 120 "$qemu" -M raspi3b -kernel "$image" -append "$append" -display none -serial stdio -serial null \
            </dev/null 2>/dev/null | micros)")
    done
    a=$(printf '%s\n' "${ours[@]}" | best) b=$(printf '%s\n' "${theirs[@]}" | best)
    name=${append#*=}
    [ "${row%% *}" = storm ] && name="20,000 modes"
    printf '%-16s %12s %12s %8s\n' "$name" "$a" "$b" "$(awk "BEGIN { printf \"%.2f\", $b / $a }")"
done
echo "ratio: QEMU's time over Tayberry's; above 1 Tayberry is faster"
