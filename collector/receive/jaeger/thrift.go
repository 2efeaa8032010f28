package jaeger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	translator "github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/jaeger"

	"github.com/waybill-dev/waybill/collector/receive/weigh"
)

// FromCompactMessage translates a datagram for the agent's port 6831: a call of
// Agent.emitBatch in Thrift's compact protocol. admit is asked for memory, in
// bytes, before it is used, and its error is returned as it is. The payload is
// not changed.
func FromCompactMessage(payload []byte, admit func(bytes int64) error) ([]byte, error) {
	return fromThrift(payload, compactProtocol, fromMessage, admit)
}

// FromBinaryMessage is the same for port 6832 and Thrift's binary protocol.
func FromBinaryMessage(payload []byte, admit func(bytes int64) error) ([]byte, error) {
	return fromThrift(payload, binaryProtocol, fromMessage, admit)
}

// FromBinaryBatch translates the body of a POST to the collector's port 14268:
// a Batch in Thrift's binary protocol, without a message around it.
func FromBinaryBatch(payload []byte, admit func(bytes int64) error) ([]byte, error) {
	return fromThrift(payload, binaryProtocol, fromStruct, admit)
}

// opener opens a payload for reading.
type opener func(payload []byte) thrift.TProtocol

func compactProtocol(payload []byte) thrift.TProtocol {
	return thrift.NewTCompactProtocolConf(transport(payload), limits(payload))
}

func binaryProtocol(payload []byte) thrift.TProtocol {
	return thrift.NewTBinaryProtocolConf(transport(payload), limits(payload))
}

func transport(payload []byte) thrift.TTransport {
	return &thrift.TMemoryBuffer{Buffer: bytes.NewBuffer(payload)}
}

// limits has no string and no list longer than the payload.
func limits(payload []byte) *thrift.TConfiguration {
	size := int32(max(1, min(len(payload), 1<<30)))
	return &thrift.TConfiguration{MaxMessageSize: size, MaxFrameSize: size, MaxContainerSize: size}
}

// envelope reads up to the batch's struct, and no further.
type envelope func(ctx context.Context, p thrift.TProtocol) (args bool, err error)

func fromThrift(payload []byte, open opener, begin envelope, admit func(int64) error) ([]byte, error) {
	ctx := context.Background() // in memory: nothing waits
	// Passing over a string makes a copy of it.
	if err := admit(weigh.Text(len(payload))); err != nil {
		return nil, err
	}
	look := open(payload)
	if _, err := begin(ctx, look); err != nil {
		return nil, err
	}
	structs, err := countStructs(ctx, look)
	if err != nil {
		return nil, err
	}
	if err := admit(weigh.Messages(structs)); err != nil {
		return nil, err
	}
	p := open(payload)
	args, err := begin(ctx, p)
	if err != nil {
		return nil, err
	}
	batch, err := read(ctx, p, args)
	if err != nil {
		return nil, err
	}
	if err := workOf(batch); err != nil {
		return nil, err
	}
	traces, err := translator.ThriftToTraces(batch)
	if err != nil {
		return nil, err
	}
	return encode(traces)
}

// fromMessage reads the head of a call.
func fromMessage(ctx context.Context, p thrift.TProtocol) (args bool, err error) {
	name, _, _, err := p.ReadMessageBegin(ctx)
	if err != nil {
		return false, err
	}
	if name != "emitBatch" {
		return false, fmt.Errorf("a call of %.40q; there is emitBatch", name)
	}
	return true, nil
}

// fromStruct has no head to read.
func fromStruct(context.Context, thrift.TProtocol) (args bool, err error) { return false, nil }

// read decodes the batch, or the call's arguments that it is in.
func read(ctx context.Context, p thrift.TProtocol, args bool) (*jaeger.Batch, error) {
	if !args {
		batch := jaeger.NewBatch()
		return batch, batch.Read(ctx, p)
	}
	call := agent.NewAgentEmitBatchArgs()
	if err := call.Read(ctx, p); err != nil {
		return nil, err
	}
	if call.Batch == nil {
		return nil, errors.New("a call of emitBatch without a batch")
	}
	return call.Batch, nil
}

// workOf looks at what the translator is about to do.
func workOf(batch *jaeger.Batch) error {
	var work weigh.Work
	work.Attributes(len(batch.GetProcess().GetTags()))
	for _, span := range batch.Spans {
		work.Attributes(len(span.Tags))
		for _, log := range span.Logs {
			work.Attributes(len(log.Fields))
		}
	}
	return work.Err()
}
