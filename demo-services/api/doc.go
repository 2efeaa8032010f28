// Package api holds the gRPC contracts between the shop's services: one folder
// per service and version, the .proto beside the code made from it.
package api

//go:generate ./generate.sh
