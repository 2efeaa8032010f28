package topology

import (
	"math"

	"go.yaml.in/yaml/v3"
)

// Severity is a log record's, with OTLP's numbers.
type Severity uint8

// The severities.
const (
	Debug Severity = 5
	Info  Severity = 9
	Warn  Severity = 13
	Fatal Severity = 21
	// ErrorSeverity is OTLP's ERROR.
	ErrorSeverity Severity = 17
)

var severities = map[string]Severity{"debug": Debug, "info": Info, "warn": Warn, "error": ErrorSeverity, "fatal": Fatal}

// String is the severity in capitals, as log records have it.
func (s Severity) String() string {
	return map[Severity]string{Debug: "DEBUG", Info: "INFO", Warn: "WARN", ErrorSeverity: "ERROR", Fatal: "FATAL"}[s]
}

func (d *document) logs(node *yaml.Node, what string) (all []Log) {
	d.list(node, what+": logs", func(n *yaml.Node) { all = append(all, d.log(n, what+": log")) })
	return all
}

func (d *document) log(node *yaml.Node, what string) Log {
	l := Log{Severity: Info}
	d.mapping(node, what,
		key{"body", func(n *yaml.Node) { d.text(n, what+": body", &l.Body) }},
		key{"severity", func(n *yaml.Node) {
			var ok bool
			if l.Severity, ok = severities[n.Value]; !ok {
				d.fail(n.Line, "%s: severity %q: want debug, info, warn, error or fatal", what, n.Value)
			}
		}},
		key{"after", func(n *yaml.Node) { d.count(n, what+": after", 0, math.MaxInt32, &l.After) }},
		key{"attributes", func(n *yaml.Node) { l.Attributes = d.attributes(n, what+": attributes") }},
	)
	if l.Body == "" {
		d.fail(node.Line, "%s: the body is missing", what)
	}
	return l
}
