package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/tracegen/sink"
)

// share is a flag that reads 1% or 0.01.
type share float64

func (s *share) String() string { return strconv.FormatFloat(float64(*s), 'g', -1, 64) }

// Set reads it.
func (s *share) Set(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return errors.New("want a share, as in 1% or 0.01")
	}
	if percent {
		v /= 100
	}
	*s = share(v)
	return nil
}

// receive is the command sink: it receives until it is interrupted.
func receive(ctx context.Context, args []string, out, errs io.Writer) error {
	cfg := sink.DefaultConfig()
	flags := newFlags("sink", errs)
	flags.StringVar(&cfg.GRPC, "grpc", cfg.GRPC, "address for OTLP over gRPC; off is none")
	flags.StringVar(&cfg.HTTP, "http", cfg.HTTP, "address for OTLP over HTTP, and for verify; off is none")
	flags.BoolVar(&cfg.Forget, "forget", false, "count only, and keep nothing: it cannot be verified")
	length := flags.Duration("for", 0, "end after so long; 0 is when it is interrupted")
	var drop share
	flags.Var(&drop, "drop", "lose this share of the spans, although they are acknowledged, as in 1%")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	cfg.Drop = float64(drop)
	s, err := sink.Start(ctx, cfg)
	if err != nil {
		return err
	}
	if s.GRPC() != nil {
		fmt.Fprintf(out, "grpc  %s\n", s.GRPC())
	}
	if s.HTTP() != nil {
		fmt.Fprintf(out, "http  http://%s\n", s.HTTP())
	}
	if *length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *length)
		defer cancel()
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = s.Shutdown(stopping)
	c := s.Counts()
	fmt.Fprintf(out, "%d requests, %d bytes, %d spans (%d dropped, %d duplicates), %d traces\n",
		c.Requests, c.Bytes, c.Spans, c.Dropped, c.Duplicates, c.Traces)
	return err
}
