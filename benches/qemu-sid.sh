#!/usr/bin/env bash
# Fetches the newest QEMU of Debian (sid), with the libraries it needs, into a folder, to be measured beside: not installed, and root is not needed.
#   benches/qemu-sid.sh [FOLDER]          default: target/qemu-sid
# Then:  QEMU=target/qemu-sid/qemu-system-aarch64 benches/suite.sh
# It runs by its own dynamic loader, so that the host's libraries are neither used nor changed, and sees the host's files.
# In the environment: SUITE (sid), MIRROR (http://deb.debian.org/debian). Needs Debian or a relative of it with: apt, debian-archive-keyring.
set -euo pipefail
suite=${SUITE:-sid}
mirror=${MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
cd "$(dirname "$0")/.."

for tool in apt-get dpkg dpkg-deb; do
    command -v "$tool" >/dev/null || { echo "$0: there is no $tool (Debian packages: apt dpkg)" >&2; exit 2; }
done
[ -e "$keyring" ] || { echo "$0: there is no $keyring (Debian package: debian-archive-keyring)" >&2; exit 2; }
mkdir -p "${1:-target/qemu-sid}"
cd "${1:-target/qemu-sid}"
folder=$PWD

# An apt of its own, to which nothing is installed: it fetches all that the package depends on.
mkdir -p apt/lists/partial apt/archives/partial apt/parts
echo "deb [signed-by=$keyring] $mirror $suite main" >apt/sources.list
: >apt/status
cat >apt/apt.conf <<CONF
Dir::State "$folder/apt";
Dir::State::lists "$folder/apt/lists";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt";
Dir::Etc::sourcelist "$folder/apt/sources.list";
Dir::Etc::sourceparts "$folder/apt/parts";
Dir::Etc::preferencesparts "$folder/apt/parts";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
CONF
export APT_CONFIG=$folder/apt/apt.conf
apt-get -qq update
rm -f apt/archives/*.deb
apt-get -qq -y install --download-only qemu-system-arm >/dev/null
rm -rf root
mkdir root
for package in apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C root --keep-directory-symlink
done
rm -rf apt

loader=$(find root -path '*lib*' -name 'ld-linux*.so.*' | sort | head -n 1)
libc=$(find root -name libc.so.6 | sort | head -n 1)
[ -n "$loader" ] && [ -n "$libc" ] || { echo "$0: no C library among the packages" >&2; exit 1; }
cat >qemu-system-aarch64 <<RUN
#!/bin/sh
exec "$folder/$loader" --library-path "$folder/${libc%/*}" "$folder/root/usr/bin/qemu-system-aarch64" -L "$folder/root/usr/share/qemu" "\$@"
RUN
chmod 755 qemu-system-aarch64
./qemu-system-aarch64 --version | head -n 1
echo "QEMU=$folder/qemu-system-aarch64 benches/suite.sh"
