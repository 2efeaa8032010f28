package sqlmw

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/DataDog/go-sqllexer"
	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

const (
	// maxText bounds the text of a statement on a span, and maxRead what is read
	// of it, in bytes.
	maxText = 2 << 10
	maxRead = 8 << 10
	// maxStatements bounds what is remembered. Statements that are longer than
	// what is read are not: they are read each time.
	maxStatements = 1000
)

// Summary is what a statement does and to which tables, in the order in which
// they stand there, as in "SELECT orders" or "INSERT archive SELECT orders", and
// so has no value that is written in it. It is what spans are named after; empty
// if there is no word that it knows.
func Summary(query string) string {
	return newStatements("", false).of(query).summary
}

// statement is what is told of one. It is not changed once it is made.
type statement struct {
	name, summary string
	// What spans and series are given.
	span, series []attribute.KeyValue
}

func newStatement(name, summary, text string) *statement {
	s := &statement{name: name, summary: summary}
	if summary != "" {
		s.series = []attribute.KeyValue{semconv.DBQuerySummary.String(summary)}
		s.span = append(s.span, s.series...)
	}
	if text != "" {
		s.span = append(s.span, semconv.DBQueryText.String(text))
	}
	return s
}

// statements remembers what it has read. It is safe for concurrent use.
type statements struct {
	dialect dialect
	// nameless is what spans are called whose statement says nothing.
	nameless string
	withText bool

	known sync.Map // of text and *statement
	count atomic.Int64
}

func newStatements(system string, withText bool) *statements {
	nameless := system
	if nameless == "" {
		nameless = "SQL"
	}
	return &statements{dialect: dialectOf(system), nameless: nameless, withText: withText}
}

func (s *statements) of(query string) *statement {
	if found, known := s.known.Load(query); known {
		return found.(*statement)
	}
	made := s.read(query)
	if len(query) <= maxRead && s.count.Load() < maxStatements {
		if _, known := s.known.LoadOrStore(strings.Clone(query), made); !known {
			s.count.Add(1)
		}
	}
	return made
}

// read takes a statement apart. Where it can't be told what is a value, there is
// no text, and the summary is the first word.
func (s *statements) read(query string) *statement {
	var told summary
	var text text
	query = query[:min(len(query), maxRead)]
	doubtful := strings.Contains(query, `\`)
	lexer := sqllexer.New(query, sqllexer.WithDBMS(s.dialect.lexer))
	for token := lexer.Scan(); token.Type != sqllexer.EOF && text.out.Len() < maxText; token = lexer.Scan() {
		target := told.add(token)
		text.add(token, target || s.dialect.namesAreQuoted)
		if doubtful && told.started() {
			break
		}
	}
	name := strings.Clone(told.String()) // which may be a part of the query
	if name == "" {
		return newStatement(s.nameless, "", "")
	}
	if doubtful || text.unsure || !s.withText {
		return newStatement(name, name, "")
	}
	return newStatement(name, name, text.String())
}

// dialect is in what the databases differ.
type dialect struct {
	lexer sqllexer.DBMSType
	// namesAreQuoted says that what stands between double quotes is a name and
	// never a value, as in standard SQL.
	namesAreQuoted bool
}

// dialectOf knows the conventions' names of databases. Of one that it does not
// know, or of SQLite, which takes a name that it does not find for a value, what
// stands between double quotes is a value unless it is where a table must be.
func dialectOf(system string) dialect {
	switch system {
	case "postgresql", "cockroachdb":
		return dialect{sqllexer.DBMSPostgres, true}
	case "mysql", "mariadb":
		return dialect{sqllexer.DBMSMySQL, true} // of which the lexer makes strings
	case "oracle.db":
		return dialect{sqllexer.DBMSOracle, true}
	case "ibm.db2":
		return dialect{sqllexer.DBMSDB2, true}
	case "microsoft.sql_server":
		return dialect{sqllexer.DBMSSQLServer, false}
	}
	return dialect{}
}

// text is a statement without its values and comments, on one line.
type text struct {
	out strings.Builder
	// parameter says that a ? was before, which a number may follow.
	parameter bool
	number    bool // was before
	unsure    bool // something may be a value that was not taken for one
}

// value stands where one was.
const value = "?"

func (t *text) add(token *sqllexer.Token, nameIfQuoted bool) {
	t.unsure = t.unsure || t.maySay(token)
	t.number = token.Type == sqllexer.NUMBER
	numbered := t.parameter && t.number
	t.parameter = token.Type == sqllexer.OPERATOR && token.Value == "?"
	if numbered {
		t.out.WriteString(token.Value)
		return
	}
	switch token.Type {
	case sqllexer.SPACE, sqllexer.COMMENT, sqllexer.MULTILINE_COMMENT:
		if t.out.Len() > 0 && !strings.HasSuffix(t.out.String(), " ") {
			t.out.WriteByte(' ')
		}
	case sqllexer.STRING, sqllexer.INCOMPLETE_STRING, sqllexer.NUMBER, sqllexer.ERROR,
		sqllexer.DOLLAR_QUOTED_STRING, sqllexer.DOLLAR_QUOTED_FUNCTION:
		t.out.WriteString(value)
	case sqllexer.QUOTED_IDENT:
		if nameIfQuoted {
			t.out.WriteString(token.Value)
		} else {
			t.out.WriteString(value)
		}
	default:
		t.out.WriteString(token.Value)
	}
}

// maySay says whether a word may have a value in it: the rest of a number, as in
// 1_000, something else that the lexer has not taken apart, as in total/4711, or
// the password that some databases take without quotes.
func (t *text) maySay(token *sqllexer.Token) bool {
	switch token.Type {
	case sqllexer.IDENT, sqllexer.KEYWORD, sqllexer.COMMAND, sqllexer.FUNCTION:
		return t.number || strings.ContainsAny(token.Value, `"'/?!`) || strings.EqualFold(token.Value, "IDENTIFIED")
	}
	return false
}

// String is the text as far as it is told.
func (t *text) String() string {
	told := strings.TrimRight(t.out.String(), " ;")
	if len(told) > maxText {
		told = strings.ToValidUTF8(told[:maxText], "")
	}
	return told
}
