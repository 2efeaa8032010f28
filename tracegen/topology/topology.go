// Package topology describes the traces of a system as data: which services
// there are, what each operation takes, calls and says of itself, what goes
// wrong, and how often each kind of trace comes. A topology is read from YAML,
// strictly: what is wrong is told with its line and the reason.
package topology

// Topology is a system whose traces are to be made. It does not change once it
// is parsed, and is safe to share.
type Topology struct {
	Name        string
	Description string
	// Resource is what all services have in common.
	Resource []Attribute
	Services []*Service
	Traces   []*Trace
	// Source is the YAML that it was read from.
	Source []byte
}

// Service is a program of which some instances run.
type Service struct {
	Name string
	// Instances is how many there are; a trace meets one of them.
	Instances  int
	Resource   []Attribute
	Operations []*Operation
	// Metrics are what each instance measures.
	Metrics []*Metric
	line    int
}

// Operation is what a service does: one span, with what it causes.
type Operation struct {
	// Key is how the topology refers to it, and Name is its span's.
	Key, Name string
	Kind      Kind
	Service   *Service
	// Latency is what it takes beside its calls.
	Latency    Distribution
	Attributes []Attribute
	Events     []Event
	// Logs are what it writes while it goes on.
	Logs []Log
	// Client is the span that a caller in another service has around it; nil
	// is none.
	Client *Client
	// Errors are what goes wrong here, or comes here from below.
	Errors []*Error
	// Steps follow one another.
	Steps []Step
	line  int
}

// Client is a caller's span around an operation.
type Client struct {
	Name       string
	Kind       Kind
	Latency    Distribution
	Attributes []Attribute
	Errors     []*Error
}

// Event is something that happens within an operation.
type Event struct {
	Name string
	// After is how many steps are over by then.
	After      int
	Attributes []Attribute
}

// Log is a log record of a span.
type Log struct {
	Body     string
	Severity Severity
	// After is how many steps are over by then.
	After      int
	Attributes []Attribute
}

// Error is something that goes wrong. It travels by its name from where it
// arises to whoever called; each span on the way looks up what it makes of it.
type Error struct {
	Name string
	// Rate is how often it arises here: 0 to 1.
	Rate float64
	// After is how many steps are taken before it arises; -1 is all.
	After int
	// Unset leaves the span's status alone.
	Unset bool
	// Type is the span's error.type, and its callers', unless they say
	// otherwise.
	Type       string
	Message    string
	Attributes []Attribute
	// Handled has the operation succeed all the same.
	Handled bool
	// Steps are taken in place of those that are left.
	Steps []Step
	// Logs are written when the operation ends with it.
	Logs []Log
	line int
}

// Step is one call, or several at once.
type Step struct {
	Calls    []*Call
	Parallel bool
}

// Call is how an operation calls another.
type Call struct {
	To *Operation
	// Probability is how often it is made: 0 to 1.
	Probability float64
	// Least and Most bound how often it is repeated each time.
	Least, Most int
	// Attempts is how often it is tried when it fails, with Backoff between
	// the first two, and twice as long each time after.
	// RetryOn are the errors after which it is; none is all.
	Attempts int
	Backoff  Distribution
	RetryOn  []string
	// Async begins once the caller has ended, After later, and links to it.
	Async bool
	After Distribution
	// Optional lets the caller go on when it fails.
	Optional bool
	to       string
	line     int
}

// Trace is a kind of trace, by where it begins.
type Trace struct {
	Name   string
	Weight float64
	Start  *Operation
	// Errors arise at these operations for certain.
	Errors map[*Operation]string
	// Slow multiplies latencies.
	Slow map[*Operation]float64
	// Lost operations never begin.
	Lost map[*Operation]bool
	line int
}

// Kind is a span's kind, with OTLP's numbers.
type Kind uint8

// The kinds.
const (
	Internal Kind = iota + 1
	Server
	ClientKind
	Producer
	Consumer
)

// String is the kind as a topology writes it.
func (k Kind) String() string {
	for name, kind := range kinds {
		if kind == k {
			return name
		}
	}
	return "unspecified"
}

var kinds = map[string]Kind{
	"internal": Internal, "server": Server, "client": ClientKind, "producer": Producer, "consumer": Consumer,
}

// Find returns an operation by the reference that a topology would use from
// outside: service/operation.
func (t *Topology) Find(ref string) *Operation {
	for _, s := range t.Services {
		for _, o := range s.Operations {
			if o.Ref() == ref {
				return o
			}
		}
	}
	return nil
}

// Ref is the operation's reference: service/operation.
func (o *Operation) Ref() string { return o.Service.Name + "/" + o.Key }

// Error returns what the operation makes of an error; nil is nothing special.
func (o *Operation) Error(name string) *Error { return find(o.Errors, name) }

// Error returns what the caller's span makes of an error; nil is nothing
// special.
func (c *Client) Error(name string) *Error { return find(c.Errors, name) }

func find(errors []*Error, name string) *Error {
	for _, e := range errors {
		if e.Name == name {
			return e
		}
	}
	return nil
}
