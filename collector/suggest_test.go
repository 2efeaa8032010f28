package collector

import "testing"

func TestSuggestion(t *testing.T) {
	known := []string{"admin", "derive", "export", "journal", "max_batch_bytes", "receive", "timeout"}
	for key, want := range map[string]string{
		"exprot": "export", "Export": "export", "exports": "export", "receve": "receive", "jornal": "journal",
		"max-batch-bytes": "max_batch_bytes", "maxBatchBytes": "max_batch_bytes", "max_batch": "max_batch_bytes", "adm": "admin", "timeot": "timeout",
		"": "", "x": "", "viewer": "", "processors": "", "exporters.otlp": "",
	} {
		got := suggestion(key, known)
		if want != "" {
			want = "did you mean " + want + "? "
		}
		if got != want {
			t.Errorf("suggestion(%q) = %q, want %q", key, got, want)
		}
	}
	if got := suggestion("anything", nil); got != "" {
		t.Errorf("of nothing known: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "acb", 1},
		{"abc", "abd", 1},
		{"abc", "bc", 1},
		{"kitten", "sitting", 3},
		{"abcd", "badc", 2},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// FuzzDistance holds it to what makes it a distance.
func FuzzDistance(f *testing.F) {
	f.Add("export", "exprot")
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 100 || len(b) > 100 {
			return
		}
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Errorf("distance(%q, %q) = %d, back it is %d", a, b, d, distance(b, a))
		}
	})
}
