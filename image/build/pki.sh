#!/usr/bin/env bash
# Makes the keys that sign updates, where there are none: a root, pinned in the image, and a release key under it.
# Whoever distributes images brings their own into .cache/image/pki: images and bundles fit together only then.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
directory=${1:-$CACHE/pki}
[ -e "$directory/release.cert.pem" ] && exit 0
say "making keys for updates in $directory: keep them, or later updates will not fit"
rm -rf "$directory.new"
mkdir -p -m 700 "$directory.new"
in_builder bash -euc '
    cd "$1"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key.pem -out ca.cert.pem -days 7300 \
        -subj "/O=Farhand/CN=update root" -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout release.key.pem -out release.csr \
        -subj "/O=Farhand/CN=release"
    printf "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n" >extensions
    openssl x509 -req -in release.csr -CA ca.cert.pem -CAkey ca.key.pem -CAcreateserial -days 3650 \
        -extfile extensions -out release.cert.pem
' pki "$directory.new" 2>/dev/null
mv "$directory.new" "$directory"
