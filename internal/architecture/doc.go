// Package architecture holds the rules of docs/architecture.md as tests: which
// package may import which, what a service links when it imports the
// middleware, and that every package says what it is.
package architecture
