//go:build !race

package httpmw_test

const forgetful = 0
