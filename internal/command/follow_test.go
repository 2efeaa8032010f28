package command

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestFollowerWaitsForTheWhole does not read what is being written, nor miss
// what follows something broken.
func TestFollowerWaitsForTheWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "collector.yaml")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a")
	f := Follow(path, time.Hour)
	defer f.Stop()
	check := func(step string, want bool) {
		t.Helper()
		if got := f.changed(); got != want {
			t.Errorf("%s: changed is %v", step, got)
		}
	}
	check("at first", false)
	put("ab")
	check("written in part", false)
	put("abc")
	check("written", false)
	check("settled", true)
	check("later", false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	check("gone", false)
	put("abc")
	check("back as it was", false)
	check("still as it was", false)
	put("d")
	check("written", false)
	put("abc")
	check("written back", false)
	check("settled as it was", false)
	put(" \n")
	check("emptied", false)
	check("still empty", false)
	put("e")
	check("written", false)
	check("settled", true)
}

func TestNothingToFollow(t *testing.T) {
	f := FollowFile("", time.Nanosecond)
	defer f.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if f.Next(ctx) {
		t.Error("something has changed")
	}
}
