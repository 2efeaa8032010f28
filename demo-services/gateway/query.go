package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// How long lists are.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// query reads the parameters after the question mark, and collects what is
// wrong with them.
type query struct {
	values url.Values
	wrong  []platform.FieldError
}

func readQuery(r *http.Request) *query { return &query{values: r.URL.Query()} }

func (q *query) refuse(name, detail string) {
	q.wrong = append(q.wrong, platform.FieldError{Parameter: name, Detail: detail})
}

func (q *query) text(name string) string {
	text := q.values.Get(name)
	if len(text) > maxText {
		q.refuse(name, fmt.Sprintf("must have at most %d bytes", maxText))
	}
	if !legible(text) {
		q.refuse(name, "must have no control characters")
	}
	return text
}

func (q *query) limit() int32 {
	text := q.values.Get("limit")
	if text == "" {
		return defaultLimit
	}
	limit, err := strconv.ParseInt(text, 10, 32)
	if err != nil || limit < 1 || limit > maxLimit {
		q.refuse("limit", fmt.Sprintf("must be 1 to %d", maxLimit))
	}
	return int32(limit)
}

func (q *query) status() orderv1.Status {
	text := q.values.Get("status")
	if text == "" {
		return orderv1.Status_STATUS_UNSPECIFIED
	}
	status, known := orderv1.Status_value["STATUS_"+strings.ToUpper(text)]
	if !known || status == 0 || text != strings.ToLower(text) {
		q.refuse("status", "must be pending, confirmed, cancelling, cancelled, shipped or delivered")
	}
	return orderv1.Status(status)
}

// moment reads a time after RFC 3339; it is nil if it is missing.
func (q *query) moment(name string) *timestamppb.Timestamp {
	text := q.values.Get(name)
	if text == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		q.refuse(name, "must be a time such as 2026-11-24T12:00:00Z")
		return nil
	}
	return timestamppb.New(at)
}

// refused answers 400 if a parameter was wrong.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, q *query) bool {
	if len(q.wrong) == 0 {
		return false
	}
	p := problem(http.StatusBadRequest, "invalid-query", "There are parameters that are wrong.")
	p.Errors = q.wrong
	platform.WriteProblem(w, r, *p)
	return true
}
