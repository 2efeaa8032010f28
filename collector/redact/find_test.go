package redact

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parts are what a finder finds in a text.
func parts(find finder, text string) (found []string) {
	for _, s := range find(nil, []byte(text)) {
		found = append(found, text[s.start:s.end])
	}
	return found
}

type findCase struct {
	text string
	want []string
}

func checkFinder(t *testing.T, find finder, cases []findCase) {
	t.Helper()
	for _, c := range cases {
		if diff := cmp.Diff(c.want, parts(find, c.text)); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
	}
}

func TestFindCards(t *testing.T) {
	one := func(number string) []string { return []string{number} }
	checkFinder(t, findCards, []findCase{
		{"4111111111111111", one("4111111111111111")},
		{"pays with 4111 1111 1111 1111.", one("4111 1111 1111 1111")},
		{"4111-1111-1111-1111,", one("4111-1111-1111-1111")},
		{"378282246310005", one("378282246310005")},
		{"3782 822463 10005", one("3782 822463 10005")},
		{"3056 930902 5904", one("3056 930902 5904")},
		{"5555555555554444 and 6011111111111117", []string{"5555555555554444", "6011111111111117"}},
		{"2223003122003222", one("2223003122003222")},
		{"4222222222222", one("4222222222222")},
		{"6304 0000 0000 0000 000", one("6304 0000 0000 0000 000")},
		{"2026-11-24 4111111111111111 12", one("4111111111111111")},
		{"card_4111111111111111_", one("4111111111111111")},
		{`{"pan":"4111111111111111"}`, one("4111111111111111")},
		{"4111111111111112", nil},                 // The check digit is wrong.
		{"1111111111111117", nil},                 // Nobody's.
		{"1700000000000000008", nil},              // A time.
		{"411111111111", nil},                     // Too short.
		{"41111111111111114111111111111111", nil}, // Too long.
		{"a4111111111111111", nil},                // Part of a hex number.
		{"4111111111111111f", nil},
		{"0.4111111111111111", nil},
		{"4111  1111 1111 1111", nil},
		{"41 11111111111111", nil},
		{"", nil},
	})
}

// TestFindCardsOfEveryLength makes numbers with the right check digit, which is
// found by trying, and sees that only that one is taken.
func TestFindCardsOfEveryLength(t *testing.T) {
	for length := 1; length < 25; length++ {
		base := "4" + strings.Repeat("739", 10)[:max(length-2, 0)]
		right := 0
		for check := range 10 {
			if number := base + strconv.Itoa(check); len(parts(findCards, number)) == 1 {
				right++
			}
		}
		want := 0
		if length >= minCardDigits && length <= maxCardDigits {
			want = 1
		}
		if right != want {
			t.Errorf("of %d digits %d numbers are cards, want %d", length, right, want)
		}
	}
}

func TestFindTokens(t *testing.T) {
	const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	checkFinder(t, findTokens, []findCase{
		{"Bearer abc123def456", []string{"abc123def456"}},
		{"authorization: bearer  x9x9x9x9, next", []string{"x9x9x9x9"}},
		{"BEARER " + jwt, []string{jwt}},
		{"token " + jwt + " and " + jwt, []string{jwt, jwt}},
		{"jwt=" + jwt + ";", []string{jwt}},
		{"Basic dXNlcjpwYXNzd29yZA==", []string{"dXNlcjpwYXNzd29yZA=="}},
		{"basic authentication failed", nil},
		{"bearer authentication is required", nil},
		{"the bearer of news", nil},
		{"forbearer abc123def456", nil},
		{"bearer abc1", nil},
		{"eyJhbGciOiJIUzI1NiJ9", nil},
		{"eyJhbGciOiJIUzI1NiJ9.eyJ9", nil},
		{"xeyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.x", nil},
		{"Bearer ", nil},
		{"Bearer", nil},
	})
}

func TestFindAssigned(t *testing.T) {
	one := func(secret string) []string { return []string{secret} }
	checkFinder(t, findAssigned, []findCase{
		{"password=hunter2", one("hunter2")},
		{"user=joe password=hunter2 x=1", one("hunter2")},
		{"PASSWORD = hunter2, or", one("hunter2")},
		{"/login?user=joe&api_key=k1&token=t2#top", []string{"k1", "t2#top"}},
		{`{"user":"joe","password":"hunter2"}`, one("hunter2")},
		{`{"password" : "a \"quoted\" one", "x":1}`, one(`a \"quoted\" one`)},
		{`{"password":"ends with \\","x":"y"}`, one(`ends with \\`)},
		{`"{\"client_secret\":\"s3\",\"x\":\"y\"}"`, one("s3")},
		{`"{\"client_secret\":\"s\\\"3\",\"x\":\"y\"}"`, one(`s\\\"3`)},
		{`{"password":"cut off`, one("cut off")},
		{`{"access_token":12345}`, one("12345")},
		{"pwd: 'a b'", one("a b")},
		{"DB_PASSWORD=x", one("x")},
		{`{"password":null,"secret":{"a":"b"},"secrets":["a"]}`, nil},
		{"password=REDACTED", nil},
		{"password=", nil},
		{"password", nil},
		{`{"password":""}`, nil},
		{"https://example.com/a:b=c", nil},
		{"tokens: 5", nil},
		{"=::=", nil},
		{strings.Repeat("x", 100) + "password=y", one("y")},
	})
}

func TestFindUserinfo(t *testing.T) {
	checkFinder(t, findUserinfo, []findCase{
		{"postgres://joe:pass@db:5432/x", []string{"pass"}},
		{"a http://joe:p@ss:w@host/@ and redis://:only@h", []string{"p@ss:w", "only"}},
		{"http://joe@host", nil},
		{"http://host:80/a:b@c", nil},
		{"http://joe:REDACTED@host", nil},
		{"://", nil},
		{"a://:@", nil},
	})
}

func TestPattern(t *testing.T) {
	checkFinder(t, pattern(`[\w.]+@\w+\.\w+`), []findCase{{"mail a.b@c.de, d@e.fr", []string{"a.b@c.de", "d@e.fr"}}, {"a.b", nil}})
	checkFinder(t, pattern(`user=(\w+)`), []findCase{{"user=joe user=", []string{"joe"}}})
	checkFinder(t, pattern(`a(b)?c`), []findCase{{"abc ac", []string{"b", "ac"}}})
	checkFinder(t, pattern(`a(b*)c`), []findCase{{"abc ac", []string{"b"}}})
}

func TestLiteralOf(t *testing.T) {
	for expression, want := range map[string]string{
		`secret`: "secret", `\d{3}-\d{2}`: "-", `(?i)secret`: "", `a|b`: "", `(abc)+d`: "abc", `x?yy`: "yy", `a.bcd[ef]`: "bcd", `(?:ab){2,}`: "ab",
		`[`: "", ``: "", `(?:ab)*`: "",
	} {
		if got := literalOf(expression); got != want {
			t.Errorf("literalOf(%q) = %q, want %q", expression, got, want)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		glob, key string
		want      bool
	}{
		{"user.email", "user.email", true},
		{"user.email", "User.Email", true},
		{"user.email", "user_email", false},
		{"user.email", "user.email.x", false},
		{"user.*", "user.a.b", true},
		{"user.*", "user.", true},
		{"user.?", "user.a", true},
		{"user.?", "user.ab", false},
		{"*", "", true},
		{"*a*", "xa\ny", true},
		{"[a]", "[a]", true},
		{"[a]", "a", false},
	} {
		if got := glob(c.glob).MatchString(c.key); got != c.want {
			t.Errorf("%q matches %q: %v", c.glob, c.key, got)
		}
	}
}

// FuzzFinders holds every finder to its contract, and each to finding nothing
// in what it has been masked in.
func FuzzFinders(f *testing.F) {
	for _, text := range []string{
		"Bearer abc123def456 4111 1111 1111 1111", `{\"password\":\"x\\\"y\"}`, "http://a:b@c eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.x", "basic dXNlcjpw", "user=(",
	} {
		f.Add(text)
	}
	finders := []finder{pattern(`user=(\w*)`)}
	for _, r := range defaultRules()[1:] {
		finders = append(finders, r.find)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, find := range finders {
			at, out := 0, []byte{}
			for _, s := range find(nil, []byte(text)) {
				if s.start < at || s.end <= s.start || s.end > len(text) {
					t.Fatalf("finder %d: %v behind %d in %q", i, s, at, text)
				}
				out = append(append(out, text[at:s.start]...), redacted...)
				at = s.end
			}
			masked := string(append(out, text[at:]...))
			if again := parts(find, masked); i > 0 && slices.ContainsFunc(again, func(s string) bool { return !strings.Contains(s, redacted) }) {
				t.Errorf("finder %d: in %q it finds %q, and then %q in %q", i, text, parts(find, text), again, masked)
			}
		}
	})
}
