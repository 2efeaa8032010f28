// Package platform holds what the shop's services share: telemetry, servers
// and clients, the database, the bus, and every artificial delay. A service
// package holds its own trade and nothing of this.
package platform
