// Package command is what Waybill's commands share: signals and exit statuses,
// what they say of their version, and how they follow a configuration file.
package command
