//go:build !race

package file

// poolAllocations is what an append may allocate beside nothing.
const poolAllocations = 0
