//go:build race

package file

// poolAllocations is what an append may allocate beside nothing: under the race
// detector a sync.Pool drops some of what it is given.
const poolAllocations = 2
