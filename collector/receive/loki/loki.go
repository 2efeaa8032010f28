// Package loki turns requests for Loki's push API into OTLP: bytes in, bytes
// out. A stream's labels become its resource's attributes, an entry becomes a
// record, and its structured metadata the record's attributes.
package loki

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/waybill-dev/waybill/collector/receive/weigh"
)

// TenantKey is the resource attribute that has the tenant, where there is one.
const TenantKey = "loki.tenant"

const serviceKey = "service.name"

// serviceLabels are those that Loki, too, takes a stream's service_name from
// when it has none, in this order.
var serviceLabels = []string{
	"service_name", "service", "app", "application", "name", "app_kubernetes_io_name", "container", "container_name",
	"k8s_container_name", "component", "workload", "job", "k8s_job_name",
}

// stream is a stream of a request in any of the three encodings.
type stream struct {
	labels  []label
	entries []entry
}

type label struct{ name, value string }

type entry struct {
	at       time.Time
	line     string
	metadata []label
}

// encode returns the streams as an export request.
func encode(streams []stream, tenant string) ([]byte, error) {
	var work weigh.Work
	for _, s := range streams {
		work.Attributes(len(s.labels))
		for _, e := range s.entries {
			work.Attributes(len(e.metadata))
		}
	}
	if err := work.Err(); err != nil {
		return nil, err
	}
	logs := plog.NewLogs()
	logs.ResourceLogs().EnsureCapacity(len(streams))
	for _, s := range streams {
		resource := logs.ResourceLogs().AppendEmpty()
		describe(resource.Resource().Attributes(), s.labels, tenant)
		records := resource.ScopeLogs().AppendEmpty().LogRecords()
		records.EnsureCapacity(len(s.entries))
		for _, e := range s.entries {
			fill(records.AppendEmpty(), e)
		}
	}
	return (&plog.ProtoMarshaler{}).MarshalLogs(logs)
}

// describe keeps the labels as they are, and says which service it was.
func describe(attributes pcommon.Map, labels []label, tenant string) {
	attributes.EnsureCapacity(len(labels) + 2)
	for _, l := range labels {
		attributes.PutStr(mend(l.name), mend(l.value))
	}
	if tenant != "" {
		attributes.PutStr(TenantKey, mend(tenant))
	}
	if _, known := attributes.Get(serviceKey); known {
		return
	}
	for _, name := range serviceLabels {
		at := slices.IndexFunc(labels, func(l label) bool { return l.name == name && l.value != "" })
		if at >= 0 {
			attributes.PutStr(serviceKey, mend(labels[at].value))
			return
		}
	}
}

func fill(record plog.LogRecord, e entry) {
	record.SetTimestamp(pcommon.NewTimestampFromTime(e.at))
	record.Body().SetStr(mend(e.line))
	attributes := record.Attributes()
	attributes.EnsureCapacity(len(e.metadata))
	for _, m := range e.metadata {
		if !identify(record, m) {
			attributes.PutStr(mend(m.name), mend(m.value))
		}
	}
}

// identify takes the metadata that tie a record to a span out of the rest:
// Loki makes them of a record's ids when it gets OTLP.
func identify(record plog.LogRecord, m label) bool {
	var trace pcommon.TraceID
	var span pcommon.SpanID
	switch {
	case m.name == "trace_id" && decodeID(trace[:], m.value):
		record.SetTraceID(trace)
	case m.name == "span_id" && decodeID(span[:], m.value):
		record.SetSpanID(span)
	default:
		return false
	}
	return true
}

func decodeID(id []byte, text string) bool {
	if len(text) != 2*len(id) {
		return false
	}
	_, err := hex.Decode(id, []byte(text))
	return err == nil && slices.ContainsFunc(id, func(b byte) bool { return b != 0 })
}

// mend makes text the UTF-8 that OTLP demands: Loki's clients send log lines
// as they come.
func mend(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
