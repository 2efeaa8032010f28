package weigh

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func field(number protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func TestProtobufCountsMessages(t *testing.T) {
	schema := Schema{1: {2: nil}}
	inner := string(bytes.Repeat(field(2, ""), 3))
	f := func(messages int, parts ...[]byte) {
		t.Helper()
		payload := bytes.Join(parts, nil)
		got, err := Protobuf(payload, schema)
		if want := Text(len(payload)) + Messages(messages); err != nil || got != want {
			t.Errorf("%x weighs %d, %v; want %d", payload, got, err, want)
		}
	}
	f(1)
	f(2, field(1, ""))
	f(5, field(1, inner))
	f(9, field(1, inner), field(1, inner))
	f(1, field(2, inner), field(9, inner)) // strings of which the schema knows nothing
	f(1, protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7))
	f(1, protowire.AppendTag(protowire.AppendTag(nil, 5, protowire.StartGroupType), 5, protowire.EndGroupType))
}

func TestProtobufRefusesWhatIsCutOff(t *testing.T) {
	schema := Schema{1: {2: nil}}
	for _, payload := range [][]byte{
		{0x0a}, {0x0a, 5, 0}, {0xff}, {0x0a, 2, 0x12, 9}, {0x08}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, {0x2b},
	} {
		if got, err := Protobuf(payload, schema); err == nil {
			t.Errorf("%x weighs %d, want an error", payload, got)
		}
	}
}

func TestJSONCountsWhatAllocates(t *testing.T) {
	const text = `[{"a":[1,2]},{}]`
	if got, want := JSON(text), Text(len(text))+2*perMessage+4*perElement; got != want {
		t.Errorf("weighs %d, want %d", got, want)
	}
}

func TestWorkGrowsWithTheSquare(t *testing.T) {
	var many, large Work
	for range 100_000 {
		many.Attributes(50)
	}
	large.Attributes(20_000)
	if many.Err() != nil || large.Err() == nil {
		t.Errorf("100,000 times 50 attributes: %v; once 20,000: %v", many.Err(), large.Err())
	}
}
