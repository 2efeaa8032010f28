package unary

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

const (
	// messagePrefix is what precedes each message: a flag and a length.
	messagePrefix = 5
	// maxMessage and maxDetails bound a status so that its header block fits
	// into one frame, whatever has to be escaped.
	maxMessage = 1 << 10
	maxDetails = 8 << 10
)

// reply is an answer in HTTP's terms.
type reply struct {
	head []hpack.HeaderField
	body []byte              // ends the stream when there is no tail
	tail []hpack.HeaderField // ends the stream
}

// success has the response, and the status in the trailers.
func (c *conn) success(response []byte) reply {
	body := make([]byte, messagePrefix, messagePrefix+len(response))
	binary.BigEndian.PutUint32(body[1:], uint32(len(response)))
	return reply{
		head: c.callHeaders(),
		body: append(body, response...),
		tail: []hpack.HeaderField{{Name: "grpc-status", Value: "0"}},
	}
}

func (c *conn) callHeaders() []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: ":status", Value: "200"},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "grpc-accept-encoding", Value: c.server.cfg.AcceptEncoding},
	}
}

// failure has the status alone.
func (c *conn) failure(s *Status) reply {
	head := append(c.callHeaders(),
		hpack.HeaderField{Name: "grpc-status", Value: strconv.Itoa(int(s.Code))},
		hpack.HeaderField{Name: "grpc-message", Value: percentEncode(clip(s.Message))})
	if len(s.Details) > 0 && len(s.Details) <= maxDetails {
		head = append(head, hpack.HeaderField{Name: "grpc-status-details-bin", Value: base64.RawStdEncoding.EncodeToString(s.Details)})
	}
	return reply{head: head}
}

// overHTTP is a status for what was no call.
func (s *Status) overHTTP() reply {
	head := []hpack.HeaderField{
		{Name: ":status", Value: strconv.Itoa(s.HTTP)},
		{Name: "content-type", Value: "text/plain; charset=utf-8"},
	}
	return reply{head: append(head, s.advice()...), body: []byte(clip(s.Message) + "\n")}
}

// advice is what might do better.
func (s *Status) advice() []hpack.HeaderField {
	switch {
	case s.HTTP == http.StatusUnsupportedMediaType:
		return []hpack.HeaderField{{Name: "accept", Value: "application/grpc"}}
	case s.Challenge != "":
		return []hpack.HeaderField{{Name: "www-authenticate", Value: s.Challenge}}
	}
	return nil
}

// overHTTP1 is the same for who speaks HTTP/1: as a whole, and the last of the
// connection.
func (s *Status) overHTTP1() []byte {
	r := s.overHTTP()
	var out strings.Builder
	out.WriteString("HTTP/1.1 " + r.head[0].Value + " " + http.StatusText(s.HTTP) + "\r\n")
	for _, field := range r.head[1:] {
		out.WriteString(http.CanonicalHeaderKey(field.Name) + ": " + field.Value + "\r\n")
	}
	out.WriteString("Connection: close\r\nContent-Length: " + strconv.Itoa(len(r.body)) + "\r\n\r\n")
	out.Write(r.body)
	return []byte(out.String())
}

// panicked answers a call whose handler has panicked.
func panicked() *Status {
	return &Status{Code: codes.Internal, Message: "the call ended in a fault of the server"}
}

// clip cuts a message, between runes.
func clip(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end]
}

// percentEncode writes a grpc-message: printable ASCII without '%' as it is.
func percentEncode(message string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, c := range []byte(message) {
		if c >= ' ' && c <= '~' && c != '%' {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return out.String()
}
