package collector

import (
	"errors"
	"path/filepath"

	"github.com/waybill-dev/waybill/collector/admin"
	"github.com/waybill-dev/waybill/collector/derive"
	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/receive"
	"github.com/waybill-dev/waybill/collector/redact"
	"github.com/waybill-dev/waybill/collector/sample"
)

//go:generate go test -run ^TestConfigurationReference$ . -update

// Config has one field for each stage, in the order in which data passes.
type Config struct {
	Receive receive.Config `yaml:"receive"`
	Redact  redact.Config  `yaml:"redact"`
	Journal file.Config    `yaml:"journal"`
	Derive  derive.Config  `yaml:"derive"`
	Sample  sample.Config  `yaml:"sample"`
	Export  export.Config  `yaml:"export"`
	Admin   admin.Config   `yaml:"admin"`
}

// DefaultConfig receives OTLP and serves derived metrics on the loopback
// address, keeps its journal in data/journal, and forwards nothing.
func DefaultConfig() Config {
	cfg := Config{
		Receive: receive.DefaultConfig(),
		Redact:  redact.DefaultConfig(),
		Journal: file.DefaultConfig(),
		Derive:  derive.DefaultConfig(),
		Sample:  sample.DefaultConfig(),
		Export:  export.DefaultConfig(),
		Admin:   admin.DefaultConfig(),
	}
	cfg.Journal.Dir = "data/journal"
	return cfg
}

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	return errors.Join(c.Receive.Validate(), c.Redact.Validate(), c.Journal.Validate(), c.Derive.Validate(), c.Sample.Validate(), c.Export.Validate(), c.Admin.Validate())
}

// forwarding is the configuration of export; where it does not say so, dead
// letters are kept beside the journal's segments.
func (c Config) forwarding() export.Config {
	if c.Export.DeadLetters.Dir == "" {
		c.Export.DeadLetters.Dir = filepath.Join(c.Journal.Dir, "dead-letters")
	}
	return c.Export
}

// sections are the top-level keys of the configuration file.
func (c *Config) sections() map[string]any {
	return map[string]any{
		"receive": &c.Receive,
		"redact":  &c.Redact,
		"journal": &c.Journal,
		"derive":  &c.Derive,
		"sample":  &c.Sample,
		"export":  &c.Export,
		"admin":   &c.Admin,
	}
}
