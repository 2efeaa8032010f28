package tracegen

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// Record is a report with what is needed to make its traces again: what a
// report file holds. Durations are in seconds.
type Record struct {
	// Format is recordFormat; another is not read.
	Format  string    `json:"format"`
	Started time.Time `json:"started"`
	// Endpoint is without its password and query.
	Endpoint string   `json:"endpoint"`
	Protocol Protocol `json:"protocol"`
	Rate     float64  `json:"rate"`
	Unit     Unit     `json:"unit"`
	Pace     string   `json:"pace,omitempty"`
	Poisson  bool     `json:"poisson,omitempty"`
	InFlight int      `json:"in_flight,omitempty"`
	Seed     uint64   `json:"seed"`
	// Topology is its name, and Source its YAML.
	Topology string `json:"topology"`
	Source   string `json:"topology_yaml"`
	// Recorded is how many traces a recording had that was sent again, each so
	// often; there is no topology then. Speed is how much faster than recorded
	// they came; 0 is another pace.
	Recorded int     `json:"recorded,omitempty"`
	Copies   int     `json:"copies,omitempty"`
	Speed    float64 `json:"speed,omitempty"`

	Elapsed      float64         `json:"elapsed_seconds"`
	Made         Amount          `json:"made"`
	Acknowledged Amount          `json:"acknowledged"`
	Rejected     Amount          `json:"rejected"`
	Failed       Amount          `json:"failed"`
	Logs         Tally           `json:"logs"`
	Points       Tally           `json:"metric_points"`
	Retries      uint64          `json:"retries"`
	Refusals     []Refusal       `json:"refusals"`
	Latency      quantileSeconds `json:"latency_seconds"`
	Late         quantileSeconds `json:"late_seconds"`
	Complete     bool            `json:"complete"`
	// Lost are the traces of requests that failed, and Partial those of
	// requests of which spans were rejected.
	Lost    []Range `json:"lost"`
	Partial []Range `json:"partial"`
	// Targets are what each of several targets has answered.
	Targets []Target `json:"targets,omitempty"`
	Routing Routing  `json:"routing,omitempty"`
	// Timeline is the run second by second, and Percentiles are of latency.
	Timeline    []Moment     `json:"timeline"`
	Percentiles []Percentile `json:"latency_percentiles"`
}

const recordFormat = "waybill tracegen report 1"

type quantileSeconds struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func inSeconds(q Quantiles) quantileSeconds {
	return quantileSeconds{q.P50.Seconds(), q.P90.Seconds(), q.P99.Seconds(), q.Max.Seconds()}
}

// NewRecord joins a run's report with its configuration.
func NewRecord(cfg Config, r Report) (Record, error) {
	record := Record{
		Format: recordFormat, Started: r.Started, Endpoint: redact(cfg.Endpoint), Protocol: cfg.Protocol,
		Rate: cfg.Rate, Unit: cfg.Unit, Pace: cfg.Pace, Poisson: cfg.Poisson, InFlight: cfg.InFlight, Seed: cfg.Seed,
		Elapsed: r.Elapsed.Seconds(), Made: r.Made, Acknowledged: r.Acknowledged, Rejected: r.Rejected, Failed: r.Failed,
		Logs: r.Logs, Points: r.Points, Retries: r.Retries, Refusals: r.Refusals, Latency: inSeconds(Quantiles{r.P50, r.P90, r.P99, r.Max}), Late: inSeconds(r.Late),
		Complete: r.Complete(), Lost: r.Lost, Partial: r.Partial, Targets: r.Targets, Routing: cfg.Routing,
		Timeline: r.Timeline, Percentiles: r.Percentiles,
	}
	if cfg.Recording != nil {
		record.Topology, record.Recorded, record.Copies = "recording", len(cfg.Recording.Traces()), max(cfg.Copies, 1)
		record.Speed = cfg.Speed
		return record, nil
	}
	t, err := cfg.topology()
	if err != nil {
		return Record{}, err
	}
	record.Topology, record.Source = t.Name, string(t.Source)
	return record, nil
}

// WriteJSON writes the record.
func (r Record) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// ReadRecord reads what WriteJSON has written.
func ReadRecord(r io.Reader) (Record, error) {
	var record Record
	if err := json.NewDecoder(r).Decode(&record); err != nil {
		return Record{}, fmt.Errorf("decode report: %w", err)
	}
	if record.Format != recordFormat {
		return Record{}, errors.New("this is no report of tracegen, or one of another version")
	}
	return record, nil
}

// Remaker makes the traces of a record again, to say what should have arrived.
// It is not safe for concurrent use.
type Remaker struct {
	record Record
	// tape is there where a recording was sent again; otherwise the rest is.
	tape     *tape
	topology *topology.Topology
	program  *program
	trace    *trace
	spans    []ExpectedSpan
}

// ErrRecording says that the record is of a replay: NewReplayRemaker, which has
// the recording, makes its traces again.
var ErrRecording = errors.New("the report is of a recording that was sent again; it takes the recording to make it once more")

// NewRemaker reads the record's topology.
func NewRemaker(r Record) (*Remaker, error) {
	if r.Recorded > 0 {
		return nil, ErrRecording
	}
	t, err := topology.Parse(r.Topology, []byte(r.Source))
	if err != nil {
		return nil, fmt.Errorf("topology of the report: %w", err)
	}
	return &Remaker{record: r, topology: t, program: newProgram(t), trace: newTrace()}, nil
}

// NewReplayRemaker makes the traces of a replay again, from the recording that
// was sent.
func NewReplayRemaker(r Record, from *recording.Recording) (*Remaker, error) {
	if n := len(from.Traces()); n != r.Recorded {
		return nil, fmt.Errorf("the recording has %d traces; the one that was sent has %d", n, r.Recorded)
	}
	t, err := newTape(from, r.Copies)
	if err != nil {
		return nil, err
	}
	return &Remaker{record: r, tape: t, trace: newTrace()}, nil
}

// Clone is a Remaker for another goroutine.
func (m *Remaker) Clone() *Remaker {
	return &Remaker{record: m.record, tape: m.tape, topology: m.topology, program: m.program, trace: newTrace()}
}

// At makes trace i again. What it returns is valid until the next call.
func (m *Remaker) At(i uint64) Expectation {
	m.spans = m.spans[:0]
	out := Expectation{Index: i}
	if m.tape != nil {
		out.ID = m.replayed(i)
	} else {
		out.ID = m.made(i)
	}
	if m.record.Protocol == Zipkin { // Its libraries write names in small letters.
		for j := range m.spans {
			m.spans[j].Service, m.spans[j].Name = strings.ToLower(m.spans[j].Service), strings.ToLower(m.spans[j].Name)
		}
	}
	out.Spans = m.spans
	return out
}

func (m *Remaker) made(i uint64) [16]byte {
	m.trace.make(m.program, m.record.Seed, i)
	for j := range m.trace.spans {
		s := &m.trace.spans[j]
		expected := ExpectedSpan{ID: s.id, Service: m.topology.Services[s.template.service].Name, Name: s.template.name}
		if !s.template.root {
			expected.Parent = m.trace.spans[s.parent].id
		}
		m.spans = append(m.spans, expected)
	}
	return m.trace.id
}

func (m *Remaker) replayed(i uint64) [16]byte {
	recorded, ids := m.tape.at(m.record.Seed, i)
	for j := range recorded.groups {
		for _, s := range recorded.groups[j].spans {
			expected := ExpectedSpan{ID: ids.span(s.id), Service: s.service, Name: s.name}
			if s.parent != 0 {
				expected.Parent = ids.span(s.parent)
			}
			m.spans = append(m.spans, expected)
		}
	}
	return ids.trace(recorded.id)
}

// Certain says that trace i was acknowledged whole. Otherwise it, or spans of
// it, may have arrived or not.
func (m *Remaker) Certain(i uint64) bool {
	return i < m.record.Made.Traces && !contains(m.record.Lost, i) && !contains(m.record.Partial, i)
}

// Expectation is a trace that was sent.
type Expectation struct {
	Index uint64
	ID    [16]byte
	Spans []ExpectedSpan
}

// ExpectedSpan is a span that was sent. Ids are as they read in hexadecimal.
type ExpectedSpan struct {
	ID, Parent    uint64
	Service, Name string
}
