//go:build !race

package grpcmw_test

const forgetful = 0
