package receive

import (
	"errors"
	"fmt"
	"time"

	"github.com/waybill-dev/waybill/collector/listen"
)

// Off as an address leaves a listener out.
const Off = "off"

// minRequestBytes keeps a typo such as "64" from refusing everything.
const minRequestBytes = 1 << 10

// Config says where the receivers listen and how much they hold in memory.
type Config struct {
	// OTLP has the listeners of the OpenTelemetry protocol.
	OTLP OTLPConfig `yaml:"otlp"`
	// Jaeger has those of Jaeger's retired clients and agents.
	Jaeger JaegerConfig `yaml:"jaeger"`
	// Zipkin is the listener for spans in Zipkin's second format.
	Zipkin ListenerConfig `yaml:"zipkin"`
	// Loki is the listener for Loki's push API.
	Loki ListenerConfig `yaml:"loki"`
	// MaxRequestBytes bounds one export request after decompression, in bytes.
	// A larger one is refused for good.
	MaxRequestBytes int64 `yaml:"max_request_bytes"`
	// MaxInflightBytes bounds the memory of all requests that have no answer
	// yet, in bytes. What does not fit is refused before its body is read, and
	// told to come again.
	MaxInflightBytes int64 `yaml:"max_inflight_bytes"`
	// MinRateBytes is how much of a request's body a client has to send in a
	// second, on average; of a large one it has to be as much as would end the
	// body within a minute. A slower client is cut off and told to come again.
	// Zero leaves it the minute.
	MinRateBytes int64 `yaml:"min_rate_bytes"`
	// SlowAfter is how far behind MinRateBytes a client may fall.
	SlowAfter time.Duration `yaml:"slow_after"`
}

// OTLPConfig has one listener for each transport.
type OTLPConfig struct {
	GRPC ListenerConfig `yaml:"grpc"`
	HTTP ListenerConfig `yaml:"http"`
}

// JaegerConfig has one listener for each of the ways that Jaeger's clients send.
type JaegerConfig struct {
	// ThriftCompact and ThriftBinary take datagrams, as Jaeger's agent did.
	ThriftCompact DatagramConfig `yaml:"thrift_compact"`
	ThriftBinary  DatagramConfig `yaml:"thrift_binary"`
	// ThriftHTTP and GRPC take requests, as Jaeger's collector does.
	ThriftHTTP ListenerConfig `yaml:"thrift_http"`
	GRPC       ListenerConfig `yaml:"grpc"`
	// Sampling answers clients that ask how much to send.
	Sampling SamplingConfig `yaml:"sampling"`
}

// SamplingConfig is what Jaeger's clients are told.
type SamplingConfig struct {
	// Address is the host and port to listen on, as in ListenerConfig.
	Address string `yaml:"address"`

	listen.Security

	// Probability is the share of traces that a client shall sample, 0 to 1,
	// unless sample.head has clients sample by its rates. It is told at the
	// addresses of ThriftHTTP and GRPC too.
	Probability float64 `yaml:"probability"`
	// Strategies are told in place of Probability where they are given.
	Strategies *Strategies
}

// ListenerConfig says where one listener binds, and whom it lets in.
type ListenerConfig struct {
	// Address is the host and port to listen on; port 0 takes a free one, and
	// "off" leaves the listener out.
	Address string `yaml:"address"`

	listen.Security
}

// DatagramConfig says where a listener for UDP binds, which lets everybody in.
type DatagramConfig struct {
	// Address is the host and port to listen on, as elsewhere.
	Address string `yaml:"address"`
}

// DefaultConfig listens on the ports of each protocol, on the loopback address.
// Loki's is off: its port belongs to Loki, which may run on the same machine,
// and another port would be one that no client knows.
func DefaultConfig() Config {
	return Config{
		OTLP: OTLPConfig{
			GRPC: ListenerConfig{Address: "127.0.0.1:4317"},
			HTTP: ListenerConfig{Address: "127.0.0.1:4318"},
		},
		Jaeger: JaegerConfig{
			ThriftCompact: DatagramConfig{Address: "127.0.0.1:6831"},
			ThriftBinary:  DatagramConfig{Address: "127.0.0.1:6832"},
			ThriftHTTP:    ListenerConfig{Address: "127.0.0.1:14268"},
			GRPC:          ListenerConfig{Address: "127.0.0.1:14250"},
			Sampling:      SamplingConfig{Address: "127.0.0.1:5778", Probability: 1},
		},
		Zipkin:           ListenerConfig{Address: "127.0.0.1:9411"},
		Loki:             ListenerConfig{Address: Off},
		MaxRequestBytes:  64 << 20,
		MaxInflightBytes: 256 << 20,
		MinRateBytes:     16 << 10,
		SlowAfter:        5 * time.Second,
	}
}

// OTLPOnly is the configuration with every listener off that is not OTLP's.
func (c Config) OTLPOnly() Config {
	for _, address := range []*string{
		&c.Jaeger.ThriftCompact.Address, &c.Jaeger.ThriftBinary.Address, &c.Jaeger.ThriftHTTP.Address, &c.Jaeger.GRPC.Address,
		&c.Jaeger.Sampling.Address, &c.Zipkin.Address, &c.Loki.Address,
	} {
		*address = Off
	}
	return c
}

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	for _, l := range c.listeners() {
		errs = append(errs, l.config.validate(l.key))
	}
	if p := c.Jaeger.Sampling.Probability; !(p >= 0 && p <= 1) {
		errs = append(errs, fmt.Errorf("jaeger.sampling.probability: %v is not between 0 and 1", p))
	}
	if c.MaxRequestBytes < minRequestBytes {
		errs = append(errs, fmt.Errorf("max_request_bytes: %d is less than %d", c.MaxRequestBytes, minRequestBytes))
	}
	if c.MaxInflightBytes < c.MaxRequestBytes {
		errs = append(errs, fmt.Errorf("max_inflight_bytes: %d is less than max_request_bytes, %d", c.MaxInflightBytes, c.MaxRequestBytes))
	}
	if c.MinRateBytes < 0 {
		errs = append(errs, fmt.Errorf("min_rate_bytes: %d is negative", c.MinRateBytes))
	}
	if c.SlowAfter <= 0 || c.SlowAfter >= bodyTimeout {
		errs = append(errs, fmt.Errorf("slow_after: %v is not between 0 and %v", c.SlowAfter, bodyTimeout))
	}
	return errors.Join(errs...)
}

// The keys of the listeners.
const (
	keyOTLPGRPC      = "otlp.grpc"
	keyOTLPHTTP      = "otlp.http"
	keyJaegerCompact = "jaeger.thrift_compact"
	keyJaegerBinary  = "jaeger.thrift_binary"
	keyJaegerHTTP    = "jaeger.thrift_http"
	keyJaegerGRPC    = "jaeger.grpc"
	keySampling      = "jaeger.sampling"
	keyZipkin        = "zipkin"
	keyLoki          = "loki"
)

// keyed is a listener by its key.
type keyed struct {
	key    string
	config ListenerConfig
}

// listeners are all that there are, those that are off as well.
func (c Config) listeners() []keyed {
	return []keyed{
		{keyOTLPGRPC, c.OTLP.GRPC},
		{keyOTLPHTTP, c.OTLP.HTTP},
		{keyJaegerCompact, c.Jaeger.ThriftCompact.listener()},
		{keyJaegerBinary, c.Jaeger.ThriftBinary.listener()},
		{keyJaegerHTTP, c.Jaeger.ThriftHTTP},
		{keyJaegerGRPC, c.Jaeger.GRPC},
		{keySampling, c.Jaeger.Sampling.listener()},
		{keyZipkin, c.Zipkin},
		{keyLoki, c.Loki},
	}
}

func (c SamplingConfig) listener() ListenerConfig {
	return ListenerConfig{Address: c.Address, Security: c.Security}
}

func (c DatagramConfig) listener() ListenerConfig { return ListenerConfig{Address: c.Address} }

func (c ListenerConfig) validate(key string) error {
	if c.Address == Off {
		return nil
	}
	errs := []error{c.Validate(key + ".")}
	if err := listen.CheckAddress(c.Address); err != nil {
		errs = append(errs, fmt.Errorf("%s.address: %w", key, err))
	}
	return errors.Join(errs...)
}
