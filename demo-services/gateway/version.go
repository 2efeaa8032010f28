package gateway

import (
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// versions of the API that this gateway speaks, the first for clients that
// name none.
func versions() []string { return []string{"v1", "v2"} }

var (
	versionInPath      = regexp.MustCompile(`^/api/(v[0-9]+)(/.*)?$`)
	versionInMediaType = regexp.MustCompile(`^application/vnd\.api\.(v[0-9]+)\+json$`)
)

// versioned finds out which version of the API a request is for, and hands it
// on with the version in its path. The path itself has the first word,
// /api/v2/orders; then a header, API-Version: v2; then the media type that is
// asked for, Accept: application/vnd.api.v2+json.
func versioned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api" && !strings.HasPrefix(r.URL.Path, "/api/") {
			next.ServeHTTP(w, r)
			return
		}
		// Caches must not give one version to who asks for another.
		w.Header().Add("Vary", "Accept, API-Version")
		version, inPath := versionOf(r)
		if !slices.Contains(versions(), version) {
			platform.WriteProblem(w, r, *problem(http.StatusBadRequest, "unsupported-api-version",
				"Unsupported API version "+version+". This gateway speaks "+strings.Join(versions(), " and ")+"."))
			return
		}
		w.Header().Set("API-Version", version)
		if inPath {
			next.ServeHTTP(w, r)
			return
		}
		inner := r.Clone(r.Context())
		inner.URL.Path = "/api/" + version + strings.TrimPrefix(r.URL.Path, "/api")
		inner.URL.RawPath = "" // It was made of the path that is no more.
		next.ServeHTTP(w, inner)
	})
}

// versionOf is the version that the client asks for, and whether its path has it.
func versionOf(r *http.Request) (version string, inPath bool) {
	if found := versionInPath.FindStringSubmatch(r.URL.Path); found != nil {
		return found[1], true
	}
	if named := r.Header.Get("API-Version"); named != "" {
		return strings.ToLower(named), false
	}
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		mediaType, _, _ := mime.ParseMediaType(accepted)
		if found := versionInMediaType.FindStringSubmatch(mediaType); found != nil {
			return found[1], false
		}
	}
	return versions()[0], false
}
