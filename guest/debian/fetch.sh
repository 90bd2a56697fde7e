#!/usr/bin/env bash
# Fetches Debian's own kernel, device tree, U-Boot and busybox for arm64 and makes an initial RAM disk of them.
#   guest/debian/fetch.sh [FOLDER]        default: target/debian
# FOLDER then has vmlinuz, bcm2837-rpi-3-b.dtb, initrd, u-boot.bin and versions.txt. Nothing is installed and root is not needed: apt works in a
# folder of its own. In the environment: SUITE (bookworm), MIRROR (http://deb.debian.org/debian).
# Needs Debian or a relative of it with: apt, cpio, kmod, xz-utils, debian-archive-keyring.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# What drivers the RAM disk has: those of the board's devices. Names that a kernel does not have are passed over.
modules="bcm2835_wdt bcm2835-rng bcm2835_thermal raspberrypi-cpufreq i2c-bcm2835 spi-bcm2835 spi-bcm2835aux pwm-bcm2835 dwc2 phy-generic usbhid hid-generic evdev
    sdhci-iproc bcm2835 mmc_block ext4 vfat nls_ascii nls_cp437 vc4 vchiq snd-bcm2835 snd-soc-bcm2835-i2s leds-gpio clk-raspberrypi"
PATH=$PATH:/usr/sbin:/sbin

for tool in apt-get dpkg-deb cpio depmod modinfo xz; do
    command -v "$tool" >/dev/null || { echo "$0: there is no $tool (Debian packages: apt dpkg cpio kmod xz-utils)" >&2; exit 2; }
done
[ -e "$keyring" ] || { echo "$0: there is no $keyring (Debian package: debian-archive-keyring)" >&2; exit 2; }
mkdir -p "${1:-$here/../../target/debian}"
folder=$(cd "${1:-$here/../../target/debian}" && pwd)
cd "$folder"

# An apt of its own: its lists, its cache, one source, arm64 alone.
mkdir -p apt/lists/partial apt/archives/partial apt/parts
echo "deb [arch=arm64 signed-by=$keyring] $mirror $suite main" >apt/sources.list
: >apt/status
cat >apt/apt.conf <<CONF
Dir::State "$folder/apt";
Dir::State::lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt";
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "$folder/apt/parts";
Dir::Etc::preferencesparts "$folder/apt/parts";
APT::Architecture "arm64";
APT::Architectures "arm64";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
CONF
export APT_CONFIG=$folder/apt/apt.conf
apt-get -qq update
# linux-image-arm64 has nothing in it but a dependency on the package of the day.
kernel=$(apt-cache depends linux-image-arm64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
version=${kernel#linux-image-}
packages="$kernel busybox-static u-boot-rpi"
apt-cache show --no-all-versions $packages | sed -n 's/^Filename: //p' >apt/wanted.txt
if [ -e initrd ] && cmp -s apt/wanted.txt versions.txt && [ initrd -nt "$0" ] && [ initrd -nt "$here/init" ]; then
    echo "$folder is up to date: $version"
    exit 0
fi
rm -f apt/archives/*.deb
(cd apt/archives && apt-get -qq download $packages)

unpack() { # PACKAGE: into a folder of its name
    rm -rf "apt/$1" && mkdir "apt/$1"
    dpkg-deb --fsys-tarfile apt/archives/"$1"_*.deb | tar -x -C "apt/$1"
}
rm -f versions.txt
for package in $packages; do unpack "$package"; done
cp "apt/$kernel/boot/vmlinuz-$version" vmlinuz
cp "apt/$kernel/usr/lib/$kernel/broadcom/bcm2837-rpi-3-b.dtb" .
cp apt/u-boot-rpi/usr/lib/u-boot/rpi_3/u-boot.bin .

# The RAM disk: busybox, init, the drivers and what they depend on.
root=$folder/apt/root
rm -rf "$root" && mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,mnt,root} 
cp apt/busybox-static/*bin/busybox "$root/bin/busybox" 2>/dev/null || cp apt/busybox-static/usr/bin/busybox "$root/bin/busybox"
cp "$here/init" "$root/init" && chmod 755 "$root/init" "$root/bin/busybox"
tree=apt/$kernel
[ -d "$tree/lib/modules" ] || tree=apt/$kernel/usr
depmod -b "$tree" "$version" 2>/dev/null || { mkdir -p "$tree/lib" && depmod -b "$tree" "$version"; }
from=$tree/lib/modules/$version to=$root/lib/modules/$version
mkdir -p "$to"
for module in $modules; do
    sed -n "s/^\(.*\/${module//[-_]/[-_]}\.ko[.xz]*\):/\1/p" "$from/modules.dep"
done | tr ' ' '\n' | sed '/^$/d' | sort -u | while read -r file; do
    mkdir -p "$to/$(dirname "$file")"
    case $file in
    *.xz) xz -dc "$from/$file" >"$to/${file%.xz}" ;;
    *) cp "$from/$file" "$to/$file" ;;
    esac
done
cp "$from"/modules.order "$from"/modules.builtin "$from"/modules.builtin.modinfo "$to" 2>/dev/null || true
depmod -b "$root" "$version"
rm -f "$to"/*.bin "$to"/modules.order "$to"/modules.builtin*
# The same bytes every time: deterministic runs can be compared between machines.
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0) >initrd
cp apt/wanted.txt versions.txt
for package in $packages; do rm -rf "apt/$package"; done
echo "$folder: $version, $(cut -d_ -f2 <<<"$(basename "$(grep u-boot versions.txt)")") of u-boot-rpi"
