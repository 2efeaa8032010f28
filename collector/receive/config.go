package receive

import (
	"errors"
	"fmt"
	"net"
)

// Off as an address leaves a listener out.
const Off = "off"

// minRequestBytes keeps a typo such as "64" from refusing everything.
const minRequestBytes = 1 << 10

// Config says where the receivers listen and how much they hold in memory.
type Config struct {
	// OTLP has the listeners of the OpenTelemetry protocol.
	OTLP OTLPConfig `yaml:"otlp"`
	// MaxRequestBytes bounds one export request after decompression, in bytes.
	// A larger one is refused for good.
	MaxRequestBytes int64 `yaml:"max_request_bytes"`
	// MaxInflightBytes bounds the memory of all requests that have no answer
	// yet, in bytes. What does not fit is refused before its body is read, and
	// told to come again.
	MaxInflightBytes int64 `yaml:"max_inflight_bytes"`
}

// OTLPConfig has one listener for each transport.
type OTLPConfig struct {
	GRPC ListenerConfig `yaml:"grpc"`
	HTTP ListenerConfig `yaml:"http"`
}

// ListenerConfig says where one listener binds.
type ListenerConfig struct {
	// Address is the host and port to listen on; port 0 takes a free one, and
	// "off" leaves the listener out.
	Address string `yaml:"address"`
}

// DefaultConfig listens on OTLP's own ports, on the loopback address.
func DefaultConfig() Config {
	return Config{
		OTLP: OTLPConfig{
			GRPC: ListenerConfig{Address: "127.0.0.1:4317"},
			HTTP: ListenerConfig{Address: "127.0.0.1:4318"},
		},
		MaxRequestBytes:  64 << 20,
		MaxInflightBytes: 256 << 20,
	}
}

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	if err := c.OTLP.GRPC.validate(); err != nil {
		errs = append(errs, fmt.Errorf("otlp.grpc.address: %w", err))
	}
	if err := c.OTLP.HTTP.validate(); err != nil {
		errs = append(errs, fmt.Errorf("otlp.http.address: %w", err))
	}
	if c.MaxRequestBytes < minRequestBytes {
		errs = append(errs, fmt.Errorf("max_request_bytes: %d is less than %d", c.MaxRequestBytes, minRequestBytes))
	}
	if c.MaxInflightBytes < c.MaxRequestBytes {
		errs = append(errs, fmt.Errorf("max_inflight_bytes: %d is less than max_request_bytes, %d", c.MaxInflightBytes, c.MaxRequestBytes))
	}
	return errors.Join(errs...)
}

func (c ListenerConfig) validate() error {
	if c.Address == Off {
		return nil
	}
	_, _, err := net.SplitHostPort(c.Address)
	return err
}
