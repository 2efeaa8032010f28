package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
)

//go:embed static/*
var staticFiles embed.FS

// assets serves the styles and scripts, each with a tag of its content, so
// that a browser asks again and mostly gets no more than "not modified".
type assets map[string]asset

type asset struct {
	content   []byte
	mediaType string
	tag       string
}

func newAssets() (assets, error) {
	types := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	all := assets{}
	names, err := fs.Glob(staticFiles, "static/*")
	if err != nil {
		return nil, fmt.Errorf("list assets: %w", err)
	}
	for _, name := range names {
		content, err := staticFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read asset: %w", err)
		}
		sum := sha256.Sum256(content)
		all[path.Base(name)] = asset{content, types[path.Ext(name)], `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return all, nil
}

func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := a[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Etag", found.tag)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", found.mediaType)
	if r.Header.Get("If-None-Match") == found.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(found.content)
}
