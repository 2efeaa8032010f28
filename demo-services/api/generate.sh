#!/bin/sh
# Makes the Go code of the shop's protos, with protoc from the path and the
# plugins that go.mod pins. Run by `go generate ./demo-services/api`.
set -eu
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH="$bin:$PATH" protoc --proto_path=. \
  --go_out=. --go_opt=paths=source_relative \
  --go-grpc_out=. --go-grpc_opt=paths=source_relative \
  user/v1/user.proto inventory/v1/inventory.proto payment/v1/payment.proto \
  order/v1/order.proto notification/v1/notification.proto
