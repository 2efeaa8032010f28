//go:build race

package client_test

// forgetful is how many allocations more there may be: under the race detector
// pools forget at random.
const forgetful = 5
