#!/usr/bin/env bash
# Makes certificates for tests in a folder: good ones, and one for each possible fault. With a second argument,
# writes their paths to that file, as a C++ header.
set -euo pipefail
header=$(realpath -m "${2:-/dev/null}")
mkdir -p "$1/issued"
cd "$1"

cat >ca.cnf <<'END'
[ca]
default_ca = one
[one]
database = index.txt
serial = serial
new_certs_dir = issued
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
END
: >index.txt
echo 1000 >serial

key() { # name
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
}
root() { # name, subject
  key "$1"
  openssl req -new -x509 -key "$1.key" -subj "/CN=$2" -days 36500 -config ca.cnf -extensions root -out "$1.pem" 2>/dev/null
}
certificate() { # name, root, subject, its names or nothing, first day, last day
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$3" -config ca.cnf -out "$1.csr" 2>/dev/null
  { echo 'basicConstraints = CA:false'; [ -z "$4" ] || echo "subjectAltName = $4"; } >"$1.ext"
  openssl ca -batch -notext -config ca.cnf -cert "$2.pem" -keyfile "$2.key" -in "$1.csr" -extfile "$1.ext" \
    -startdate "$5" -enddate "$6" -out "$1.pem" 2>/dev/null
}

past=20200101000000Z yesterday=20200102000000Z future=21200101000000Z
here='DNS:localhost, DNS:ferry.test, DNS:*.wild.test, IP:127.0.0.1, IP:::1'
root ca 'ferry tests'
root other_ca 'somebody else'
certificate server ca 'a server' "$here" $past $future
certificate expired ca 'a late server' "$here" $past $yesterday
certificate early ca 'an early server' "$here" 21190101000000Z $future
certificate wrong_host ca 'another server' 'DNS:other.test, IP:192.0.2.1' $past $future
certificate common_name ca localhost '' $past $future
certificate untrusted other_ca 'a strange server' "$here" $past $future
key intermediate
openssl req -new -key intermediate.key -subj '/CN=in between' -config ca.cnf -out intermediate.csr 2>/dev/null
openssl ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -in intermediate.csr -extensions root \
  -startdate $past -enddate $future -out intermediate.pem 2>/dev/null
certificate chained intermediate 'a server far down' "$here" $past $future
key self_signed
openssl req -new -x509 -key self_signed.key -subj '/CN=itself' -days 36500 -config ca.cnf -addext "subjectAltName = $here" -out self_signed.pem 2>/dev/null
certificate client ca 'a client' 'DNS:client.test' $past $future
openssl pkey -in client.key -aes128 -passout pass:sesame -out client_encrypted.key

{
  echo '#pragma once'
  echo '/// The files of certificates.sh.'
  echo 'namespace test::certificates {'
  for file in *.pem *.key; do
    name=${file%.pem}
    [ "$name" != "$file" ] || name=${file%.key}_key
    echo "inline constexpr const char* $name = \"$PWD/$file\";"
  done
  echo '}  // namespace test::certificates'
} >"$header"
