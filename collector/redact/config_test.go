package redact

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	const key = "0123456789abcdef"
	for _, test := range []struct {
		cfg  Config
		want string // "": valid
	}{
		{Config{}, ""},
		{DefaultConfig(), ""},
		{Config{HashKey: key, Rules: []Rule{
			{Key: "a.*", Action: Drop},
			{Pattern: "x+", Action: Mask, KeepLast: 4},
			{Key: "b", Pattern: "x", Action: Hash},
			{Key: "c", Action: Keep},
		}}, ""},
		{Config{HashKey: "short"}, "hash_key: 5 bytes: want at least 16"},
		{Config{Rules: []Rule{{Action: Drop}}}, "rules[0].key: a rule needs a key, a pattern, or both"},
		{Config{Rules: []Rule{{Key: "a", Action: Drop}, {Key: "a"}}}, `rules[1].action: "": want drop, mask, hash or keep`},
		{Config{Rules: []Rule{{Key: "a", Action: Hash}}}, "rules[0].action: hash needs a hash_key"},
		{Config{Rules: []Rule{{Key: "a", Pattern: "b", Action: Keep}}}, "rules[0].action: keep goes with a key alone"},
		{Config{Rules: []Rule{{Pattern: "(", Action: Mask}}}, "rules[0].pattern: error parsing regexp"},
		{Config{Rules: []Rule{{Pattern: "a*", Action: Mask}}}, "rules[0].pattern: it is found in an empty text"},
		{Config{Rules: []Rule{{Key: "a", Action: Mask, KeepLast: -1}}}, "rules[0].keep_last: -1: want 0 to 32"},
		{Config{Rules: []Rule{{Key: "a", Action: Drop, KeepLast: 1}}}, "rules[0].keep_last: 1: want 0 to 32, and the action mask"},
	} {
		err := test.cfg.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v; want %q", test.cfg, err, test.want)
		}
	}
}

func TestTheHashKeyIsNotTold(t *testing.T) {
	cfg := Config{HashKey: "s3cret"}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", cfg.HashKey, "cfg", cfg)
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.HashKey), log.String(), cfg.Validate().Error()} {
		if strings.Contains(text, "s3cret") {
			t.Error(text)
		}
	}
}
