#!/usr/bin/env bash
# The guest `suite` and a Linux boot on Tayberry beside QEMU's raspi3b: microseconds by the guest's own clock, alternating, the best of N runs each,
# the ratio (QEMU's time over Tayberry's; above 1 Tayberry is faster), their geometric mean, and how that compares with what is aimed at.
#   benches/suite.sh [-r RUNS] [ROW...]      default: 3 runs of all rows; benches/suite.sh -l lists them
# Checksums must agree in all runs of a row. Ends with 1 if some row failed or differed; goals missed are no failure. Build Tayberry first
# (cargo build --release -p tayberry); the row `linux` wants guest/debian/fetch.sh and is passed over without.
# In the environment:
#   TAYBERRY, TAYBERRY_ARGS  the program (target/release/tayberry), more arguments for it: TAYBERRY_ARGS="--jit off"
#   QEMU                     the program (qemu-system-aarch64); where there is none, or with QEMU=none, only Tayberry's column is measured.
#                            benches/qemu-sid.sh fetches Debian's newest
#   QEMU_FILES               the folder in which QEMU finds suite.img and what fetch.sh fetched, if it runs in a root of its own
set -euo pipefail
cd "$(dirname "$0")/.."
tayberry=${TAYBERRY:-target/release/tayberry}
read -ra more <<<"${TAYBERRY_ARGS:-}"
qemu=${QEMU:-qemu-system-aarch64}
image=guest/images/suite.img
qemu_image=${QEMU_FILES:-guest/images}/suite.img
debian=${TAYBERRY_DEBIAN:-target/debian}

# Row, class, options. Classes: compute, fp (scalar floating point) and fill have goals of their own, four is four busy cores on the host's, linux the
# boot; system is in the mean only, scaling not even there: the same work on one core and on two.
rows="mix compute
mix-flat compute suite.kind=mix suite.mmu=0
sort compute
sort-flat compute suite.kind=sort suite.mmu=0
hash compute
sha256 compute
chase compute
far compute
bytecode compute
recursion compute
virtual compute
mandelbrot fp
bodies fp
matrix compute
filter compute
qcopy compute
fill fill
pixels compute
copy compute
svc system
fault system
tlb system
tlbi system
spaces system
cores four
locks system
one-core scaling suite.kind=cores suite.cores=1 suite.n=2000
two-cores scaling suite.kind=cores suite.cores=2 suite.n=2000
linux linux"

runs=3
while getopts r:lh option; do
    case $option in
    r) runs=$OPTARG ;;
    l) cut -d ' ' -f 1 <<<"$rows"; exit ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; [ "$option" = h ]; exit ;;
    esac
done
shift $((OPTIND - 1))
for row in "$@"; do
    grep -q "^$row " <<<"$rows" || { echo "$0: there is no row $row; -l lists them" >&2; exit 2; }
done
[ -x "$tayberry" ] || { echo "$0: there is no $tayberry: cargo build --release -p tayberry" >&2; exit 2; }

if [ "$qemu" != none ] && command -v "$qemu" >/dev/null; then
    "$qemu" --version | head -n 1
else
    echo "no QEMU: only Tayberry is measured"
    qemu=none
fi
echo "$tayberry ${more[*]-}, best of $runs, host: $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"

# Checksum and microseconds of one run, or nothing.
result() { tr -d '\r' | sed -n 's/^suite [a-z0-9]*: checksum \([0-9a-f]*\), \([0-9]*\) us$/\1 \2/p'; }
ours() { "$tayberry" --frontend headless --timeout 300 "${more[@]}" --append "$1" "$image" </dev/null 2>/dev/null | result; }
theirs() {
    timeout 300 "$qemu" -M raspi3b -kernel "$qemu_image" -append "$1" -display none -serial stdio -serial null </dev/null 2>/dev/null | result
}
# Of lines `checksum microseconds`: the least of the latter.
best() { cut -d ' ' -f 2 <<<"$1" | sort -n | head -n 1; }

expected=$((2 * runs))
[ "$qemu" != none ] || expected=$runs
table=$(mktemp)
trap 'rm -f "$table"' EXIT
status=0
row_out() { # NAME CLASS QEMU OURS NOTE
    local ratio=-
    [ "$3" = - ] || [ "$4" = - ] || ratio=$(awk "BEGIN { printf \"%.2f\", $3 / $4 }")
    printf '%-12s %12s %12s %8s  %s\n' "$1" "$3" "$4" "$ratio" "$5"
    echo "$1 $2 $3 $4" >>"$table"
}

printf '%-12s %12s %12s %8s\n' row 'QEMU us' 'Tayberry us' ratio
while read -r name class append; do
    [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
    if [ "$class" = linux ]; then
        if [ ! -e "$debian/versions.txt" ]; then
            echo "linux        passed over: nothing in $debian (guest/debian/fetch.sh)"
            continue
        fi
        # Seconds there, microseconds here; processor seconds stay in brackets.
        read -r a b < <(QEMU=$qemu TAYBERRY=$tayberry benches/linux-beside-qemu.sh "$runs" |
            sed -n 's/^best: \([0-9.]*\) ([0-9.]*) s and \([0-9.-]*\) .*/\1 \2/p' |
            awk '{ printf "%d %s\n", $1 * 1e6, $2 == "-" ? "-" : int($2 * 1e6) }') || { a=- b=-; status=1; }
        row_out linux linux "$b" "$a" "host's clock, start to init"
        continue
    fi
    append=${append:-suite.kind=$name}
    a= b=
    for _ in $(seq "$runs"); do
        a+=$(ours "$append" || true)$'\n'
        [ "$qemu" = none ] || b+=$(theirs "$append" || true)$'\n'
    done
    note=
    all=$(printf '%s' "$a$b" | sed '/^$/d')
    if [ "$(grep -c . <<<"$all")" != "$expected" ]; then
        note="some runs ended without a result" status=1
    fi
    if [ "$(cut -d ' ' -f 1 <<<"$all" | sort -u | wc -l)" != 1 ]; then
        note="CHECKSUMS DIFFER" status=1
    fi
    a=$(best "$(sed '/^$/d' <<<"$a")") b=$(best "$(sed '/^$/d' <<<"$b")")
    row_out "$name" "$class" "${b:--}" "${a:--}" "$note"
done <<<"$rows"

# The goals, as far as rows were measured that say something about them.
awk '
function verdict(what, value, goal, below) {
    printf "%-48s %6.2f   goal %s %.2f: %s\n", what, value, below ? "<=" : ">=", goal, (below ? value <= goal : value >= goal) ? "met" : "missed"
}
function least(class,    row, at) {
    for (row in ratio) if (of[row] == class && (at == "" || ratio[row] < ratio[at])) at = row
    return at
}
$4 != "-" { ours[$1] = $4 }
$3 != "-" && $4 != "-" { of[$1] = $2; ratio[$1] = $3 / $4; if ($2 != "scaling") { sum += log(ratio[$1]); count++ } }
END {
    if (count) { print ""; verdict("geometric mean of " count " rows", exp(sum / count), 2.5) }
    if (at = least("compute")) verdict("least of the computing rows: " at, ratio[at], 1.3)
    if (at = least("fp")) verdict("least of scalar floating point: " at, ratio[at], 4)
    if (at = least("fill")) verdict("framebuffer fill", ratio[at], 4)
    if (at = least("four")) verdict("four busy cores", ratio[at], 1)
    if (at = least("linux")) verdict("Linux boot, part of QEMU'"'"'s time", 1 / ratio[at], 0.6, 1)
    if (ours["one-core"] && ours["two-cores"]) verdict("Tayberry'"'"'s two cores over one", ours["one-core"] / ours["two-cores"], 1.8)
}' "$table"
exit $status
