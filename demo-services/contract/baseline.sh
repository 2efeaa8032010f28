#!/bin/sh
# Makes the contracts of today those that later ones are compared with. Run when
# a release is made: `sh demo-services/contract/baseline.sh`.
set -eu
cd "$(dirname "$0")"
rm -rf baseline
mkdir -p baseline/schema
cp schema/*.json baseline/schema/
cd ../api
find . -name '*.proto' | while read -r proto; do
  mkdir -p "../contract/baseline/api/$(dirname "$proto")"
  cp "$proto" "../contract/baseline/api/$proto"
done
