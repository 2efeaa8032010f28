package receive

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestMessageReaderWantsExactlyOne(t *testing.T) {
	tests := []struct {
		name, body string
		length     int64
		want       string
		err        error
	}{
		{"whole", "hello", 5, "hello", nil},
		{"empty", "", 0, "", nil},
		{"cut off", "hel", 5, "hel", io.ErrUnexpectedEOF},
		{"followed by another", "hello\x00", 5, "hello", &refusal{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := io.ReadAll(&message{body: strings.NewReader(test.body), left: test.length})
			_, refused := errors.AsType[*refusal](err)
			_, wantRefused := errors.AsType[*refusal](test.err)
			if string(got) != test.want || refused != wantRefused || !wantRefused && !errors.Is(err, test.err) {
				t.Errorf("read %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestPercentEncode(t *testing.T) {
	for in, want := range map[string]string{"plain text": "plain text", "100%": "100%25", "grün\n": "gr%C3%BCn%0A", "": ""} {
		if got := percentEncode(in); got != want {
			t.Errorf("percentEncode(%q) = %q, want %q", in, got, want)
		}
	}
}
