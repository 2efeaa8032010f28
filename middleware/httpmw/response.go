package httpmw

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// The exchange is the response writer, too. It offers to handlers what the
// writer beneath it can do, and no more; what it does not know of, such as
// deadlines, http.ResponseController finds by Unwrap.
type (
	flushWriter       struct{ *exchange }
	hijackWriter      struct{ *exchange }
	flushHijackWriter struct{ *exchange }
	flushPushWriter   struct{ *exchange }
)

func (x *exchange) writer() http.ResponseWriter {
	_, flushes := x.w.(http.Flusher)
	_, hijacks := x.w.(http.Hijacker)
	_, pushes := x.w.(http.Pusher)
	switch {
	case flushes && hijacks:
		return flushHijackWriter{x}
	case flushes && pushes:
		return flushPushWriter{x}
	case flushes:
		return flushWriter{x}
	case hijacks:
		return hijackWriter{x}
	}
	return x
}

// Header is as in http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.w.Header() }

// Unwrap gives http.ResponseController the writer beneath.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

// WriteHeader notes the status. Informational ones come before the one that
// counts; those that are none make the writer beneath panic.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols {
		x.note(status)
	}
	x.w.WriteHeader(status)
}

// note keeps the first status.
func (x *exchange) note(status int) {
	if x.status == 0 {
		x.tidy()
		x.status, x.unseen = status, x.gone() != nil
	}
}

// tidy leaves the response one trace: a proxy adds the headers of the response
// that it passes on to those that are there.
func (x *exchange) tidy() {
	x.time()
	header := x.w.Header()
	for _, name := range [...]string{traceIDHeader, traceResponseHeader} {
		if values := header[name]; len(values) > 1 {
			header[name] = values[:1]
		}
	}
}

func (x *exchange) wrote(n int64, err error) {
	if x.sizes != nil {
		x.sizes.response += n
	}
	if err != nil {
		x.failed = true
	}
}

// Write is as in http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	x.note(http.StatusOK)
	n, err := x.w.Write(p)
	x.wrote(int64(n), err)
	return n, err
}

// WriteString is as in io.StringWriter.
func (x *exchange) WriteString(s string) (int, error) {
	x.note(http.StatusOK)
	n, err := io.WriteString(x.w, s)
	x.wrote(int64(n), err)
	return n, err
}

// ReadFrom lets the writer beneath send a file without copying it. A source
// that has nothing leaves the status open: the handler may yet answer with an
// error.
func (x *exchange) ReadFrom(source io.Reader) (int64, error) {
	beneath, can := x.w.(io.ReaderFrom)
	if !can {
		return io.Copy(struct{ io.Writer }{x}, source)
	}
	x.tidy()
	unseen := x.gone() != nil
	n, err := beneath.ReadFrom(source)
	if n > 0 && x.status == 0 {
		x.status, x.unseen = http.StatusOK, unseen
	}
	x.wrote(n, err)
	return n, err
}

func (x *exchange) flush() error {
	x.note(http.StatusOK)
	if flusher, can := x.w.(interface{ FlushError() error }); can {
		err := flusher.FlushError()
		x.wrote(0, err)
		return err
	}
	x.w.(http.Flusher).Flush()
	return nil
}

// hijack ends the observation: what follows on the connection is no HTTP
// request, and may last for hours.
func (x *exchange) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := x.w.(http.Hijacker).Hijack()
	if err != nil {
		return conn, buffered, err
	}
	x.hijacked = true
	if x.status == 0 && x.request.Header.Get("Upgrade") != "" {
		x.status = http.StatusSwitchingProtocols
	}
	x.end(nil)
	return conn, buffered, nil
}

func (w flushWriter) Flush()                  { _ = w.flush() }
func (w flushWriter) FlushError() error       { return w.flush() }
func (w flushHijackWriter) Flush()            { _ = w.flush() }
func (w flushHijackWriter) FlushError() error { return w.flush() }
func (w flushPushWriter) Flush()              { _ = w.flush() }
func (w flushPushWriter) FlushError() error   { return w.flush() }

func (w flushPushWriter) Push(target string, opts *http.PushOptions) error {
	return w.w.(http.Pusher).Push(target, opts)
}

func (w hijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error)      { return w.hijack() }
func (w flushHijackWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }
