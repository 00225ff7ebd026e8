#!/bin/sh
# Makes the stores of this folder anew, with the keytool of a JDK: `sh make.sh`, in this folder.
set -eu
P=changeit
rm -f ./*.jks ./*.jceks ./*.p12 ./*.pem
key() {  # store, type, alias, distinguished name, further options
    store=$1 type=$2 alias=$3 name=$4
    shift 4
    keytool -genkeypair -keystore "$store" -storetype "$type" -storepass $P -keypass $P -alias "$alias" -dname "$name" \
        -keyalg EC -groupname secp256r1 -validity 36500 -startdate "2026/01/01 00:00:00" "$@"
}
trust() { keytool -importcert -noprompt -keystore "$1" -storetype "$2" -storepass $P -alias "$3" -file "$4"; }

# A root, and a shop whose certificate it signed.
key ca.p12 PKCS12 root "CN=Keystore Root" -ext bc:c
keytool -exportcert -rfc -keystore ca.p12 -storepass $P -alias root -file root.pem
key shop.jks JKS shop "CN=shop.example.com" -ext "san=dns:shop.example.com"
keytool -certreq -keystore shop.jks -storepass $P -alias shop |
    keytool -gencert -rfc -keystore ca.p12 -storepass $P -alias root -validity 36500 \
        -startdate "2026/01/01 00:00:00" -ext "san=dns:shop.example.com" -outfile shop.pem
trust shop.jks JKS "root" root.pem
keytool -importcert -noprompt -keystore shop.jks -storepass $P -alias shop -file shop.pem

# Only what is trusted; an alias beyond ASCII, and beyond 16 bits.
trust trusted.jks JKS root root.pem
trust trusted.jks JKS "größe 🔑" shop.pem

# A secret key stands between what has certificates.
key shop.jceks JCEKS first "CN=first.example.com"
keytool -genseckey -keystore shop.jceks -storetype JCEKS -storepass $P -keypass $P -alias middle -keyalg AES -keysize 256
trust shop.jceks JCEKS root root.pem

# What Java writes since version 9: two keys and a trusted certificate in PKCS#12.
key two.p12 PKCS12 shop "CN=shop.example.com"
key two.p12 PKCS12 mail "CN=mail.example.com"
trust two.p12 PKCS12 root root.pem
rm ca.p12
