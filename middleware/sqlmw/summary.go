package sqlmw

import (
	"strings"

	"github.com/DataDog/go-sqllexer"
)

// maxSummary bounds a summary, in bytes, as the conventions do.
const maxSummary = 255

// The words that are told. Some do something wherever they stand, others only at
// the beginning of a statement.
var (
	anywhere = wordSet("SELECT INSERT UPDATE DELETE MERGE")
	leading  = wordSet(`ALTER ANALYZE ATTACH BEGIN CALL COMMENT COMMIT COPY CREATE DETACH DROP EXEC EXECUTE EXPLAIN GRANT LOCK
		PRAGMA REFRESH REINDEX RELEASE REPLACE REVOKE ROLLBACK SAVEPOINT SET SHOW TRUNCATE VACUUM VALUES`)
	// targeting are those that a table or a procedure follows.
	targeting = wordSet("UPDATE CALL COPY EXEC EXECUTE TRUNCATE")
	// defining are those that a kind of things follows, and then its name.
	defining = wordSet("ALTER CREATE DROP")
	kinds    = wordSet("DATABASE FUNCTION INDEX PROCEDURE SCHEMA SEQUENCE TABLE TRIGGER TYPE VIEW")
	// between are those that may stand before a target.
	between = wordSet("CONCURRENTLY EXISTS IF LATERAL NOT ONLY TABLE")
	// ending are those that end a list of tables.
	ending = wordSet("EXCEPT FETCH FOR GROUP HAVING INTERSECT LIMIT OFFSET ON ORDER RETURNING SET UNION USING VALUES WHEN WHERE WINDOW")
	// qualifying are those after which UPDATE and its like are part of a clause,
	// as in FOR UPDATE and ON DELETE.
	qualifying = wordSet("AFTER BEFORE DO FOR KEY OF ON OR THEN")
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}

// summary reads a statement, token by token. The zero value is at the beginning
// of one.
type summary struct {
	told []string
	size int
	// Where it is: whether a target is to follow, or one more after a comma, and
	// which word was before.
	expecting bool
	procedure bool // the target may be called like a function
	defines   bool
	skipping  bool // the next word, which is what to do in a conflict
	before    string
	nested    []level
	top       level
	// with says that the names of queries are given, which are no tables.
	with  bool
	names map[string]bool
}

// level is what stands within the same parentheses.
type level struct {
	does    bool // there is a word that does something, so FROM has a table
	listing bool // a comma is followed by one more table
}

// String is what was told.
func (s *summary) String() string { return strings.Join(s.told, " ") }

func (s *summary) started() bool { return len(s.told) > 0 }

// add reads a token, and says whether it is the name of a table.
func (s *summary) add(token *sqllexer.Token) (target bool) {
	switch token.Type {
	case sqllexer.SPACE, sqllexer.COMMENT, sqllexer.MULTILINE_COMMENT:
		return false
	case sqllexer.PUNCTUATION, sqllexer.UNKNOWN:
		s.punctuation(token.Value)
		return false
	case sqllexer.IDENT, sqllexer.QUOTED_IDENT, sqllexer.FUNCTION, sqllexer.COMMAND, sqllexer.KEYWORD,
		sqllexer.CTE_INDICATOR, sqllexer.ALIAS_INDICATOR, sqllexer.PROC_INDICATOR:
		return s.word(token)
	}
	s.expecting, s.before = false, ""
	return false
}

func (s *summary) punctuation(mark string) {
	switch mark {
	case "(":
		s.nested = append(s.nested, level{})
		s.expecting = false
	case ")":
		if len(s.nested) > 0 {
			s.nested = s.nested[:len(s.nested)-1]
		}
		s.expecting = false
	case ",":
		s.expecting = s.level().listing
	case ";":
		*s = summary{told: s.told, size: s.size}
	}
	s.before = mark
}

func (s *summary) level() *level {
	if n := len(s.nested); n > 0 {
		return &s.nested[n-1]
	}
	return &s.top
}

func (s *summary) word(token *sqllexer.Token) (target bool) {
	word := strings.ToUpper(token.Value)
	before := s.before
	s.before = word
	switch {
	case s.skipping:
		s.skipping = false
	case s.operates(word, before):
		s.operation(word)
	case s.with && len(s.nested) == 0:
		s.named(word)
	case s.defines:
		s.kind(word)
	case s.expecting:
		return s.target(token, word)
	default:
		s.clause(word, before)
	}
	return false
}

// operates says whether the word does something where it stands.
func (s *summary) operates(word, before string) bool {
	if anywhere[word] {
		return !qualifying[before]
	}
	return leading[word] && !s.level().does && (before == "" || before == ";")
}

func (s *summary) operation(word string) {
	s.tell(word)
	s.with = s.with && len(s.nested) > 0
	*s.level() = level{does: word != "COPY"} // whose FROM has a file
	s.expecting, s.procedure = targeting[word], word != "UPDATE" && targeting[word]
	s.defines = defining[word]
}

// named notes what a query is called: WITH name AS (…).
func (s *summary) named(word string) {
	if word == "AS" || word == "RECURSIVE" || word == "NOT" || word == "MATERIALIZED" {
		return
	}
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[strings.Trim(word, `"`)] = true
}

// kind is of what CREATE and its like make; words such as TEMPORARY stand before.
func (s *summary) kind(word string) {
	if kinds[word] {
		s.tell(word)
		s.defines, s.expecting, s.procedure = false, true, true
	}
}

func (s *summary) target(token *sqllexer.Token, word string) bool {
	switch {
	case word == "OR": // UPDATE OR IGNORE
		s.skipping = true
		return false
	case between[word]:
		return false
	}
	s.expecting = false
	if token.Type == sqllexer.FUNCTION && !s.procedure || s.names[strings.Trim(word, `"`)] {
		return false
	}
	s.tell(token.Value)
	return true
}

func (s *summary) clause(word, before string) {
	here := s.level()
	switch {
	case word == "WITH" && !s.started():
		s.with = true
	case word == "OR" && before == "INSERT":
		s.skipping = true
	case !here.does:
	case word == "FROM" && before != "DISTINCT":
		s.expecting, s.procedure, here.listing = true, false, true
	case word == "INTO":
		s.expecting, s.procedure, here.listing = true, true, false
	case word == "JOIN" || word == "STRAIGHT_JOIN" || word == "USING":
		s.expecting, s.procedure, here.listing = true, false, word != "USING"
	case ending[word]:
		here.listing = false
	}
}

// tell adds a word unless the summary is long enough.
func (s *summary) tell(word string) {
	if s.size += len(word) + 1; s.size <= maxSummary+1 {
		s.told = append(s.told, word)
	}
}
