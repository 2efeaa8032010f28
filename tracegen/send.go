package tracegen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// sender sends encoded requests to one target. It is safe for concurrent use.
// An error that is not a *refusal may be tried again.
type sender interface {
	send(ctx context.Context, b body) (answer, error)
	close() error
}

// body is what one request carries, as the protocol has it.
type body struct {
	signal signal
	bytes  []byte
}

// dial makes a sender, which connects when it first sends.
func dial(cfg Config, endpoint string) (sender, error) {
	if cfg.Protocol == GRPC {
		return newGRPCSender(cfg, endpoint)
	}
	return newHTTPSender(cfg, endpoint)
}

// answer is a success, whole or in part.
type answer struct {
	// rejected counts the spans that the receiver will not take, and message
	// says why.
	rejected uint64
	message  string
}

// refusal is an answer that says no.
type refusal struct {
	retryable bool
	after     time.Duration
	reason    string
}

func (r *refusal) Error() string { return r.reason }

// final says that an error will be the same when the request is sent again.
func final(err error) bool {
	var r *refusal
	return errors.As(err, &r) && !r.retryable
}

// parseAnswer reads an ExportTraceServiceResponse:
//
//	ExportTracePartialSuccess partial_success = 1 { int64 rejected_spans = 1;  string error_message = 2; }
func parseAnswer(response []byte) (answer, error) {
	var a answer
	err := fields(response, func(num protowire.Number, typ protowire.Type, value []byte, _ uint64) error {
		if num != 1 || typ != protowire.BytesType {
			return nil
		}
		return fields(value, func(num protowire.Number, typ protowire.Type, text []byte, n uint64) error {
			switch {
			case num == 1 && typ == protowire.VarintType:
				a.rejected = n
			case num == 2 && typ == protowire.BytesType:
				a.message = string(text)
			}
			return nil
		})
	})
	if err != nil {
		return answer{}, fmt.Errorf("decode answer: %w", err)
	}
	return a, nil
}

// parseJSONAnswer reads the same in JSON, where the number may be a text.
func parseJSONAnswer(response []byte) (answer, error) {
	var read struct {
		Partial struct {
			Rejected json.RawMessage `json:"rejectedSpans"`
			Message  string          `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if len(response) == 0 {
		return answer{}, nil
	}
	if err := json.Unmarshal(response, &read); err != nil {
		return answer{}, fmt.Errorf("decode answer: %w", err)
	}
	a := answer{message: read.Partial.Message}
	if number := strings.Trim(string(read.Partial.Rejected), `"`); number != "" {
		var err error
		if a.rejected, err = strconv.ParseUint(number, 10, 64); err != nil {
			return answer{}, fmt.Errorf("decode answer: %w", err)
		}
	}
	return a, nil
}

// fields calls each for every field of a message, with its bytes or its number.
func fields(message []byte, each func(protowire.Number, protowire.Type, []byte, uint64) error) error {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		var value []byte
		var number uint64
		switch typ {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(num, typ, message)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if err := each(num, typ, value, number); err != nil {
			return err
		}
	}
	return nil
}
