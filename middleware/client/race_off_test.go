//go:build !race

package client_test

const forgetful = 0
