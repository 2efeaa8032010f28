package contract

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// The generated code, whose descriptors are in protoregistry.GlobalFiles.
	_ "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	_ "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	_ "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	_ "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	_ "github.com/waybill-dev/waybill/demo-services/api/user/v1"
)

// compile reads every proto below dir.
func compile(t *testing.T, dir string) linker.Files {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.proto"))
	if err != nil || len(sources) == 0 {
		t.Fatalf("%d protos below %s, %v", len(sources), dir, err)
	}
	for i, source := range sources {
		if sources[i], err = filepath.Rel(dir, source); err != nil {
			t.Fatal(err)
		}
	}
	return compileFrom(t, &protocompile.SourceResolver{ImportPaths: []string{dir}}, sources...)
}

func compileFrom(t *testing.T, resolver protocompile.Resolver, sources ...string) linker.Files {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(resolver)}
	files, err := compiler.Compile(context.WithoutCancel(t.Context()), sources...)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func descriptors(files linker.Files) []protoreflect.FileDescriptor {
	all := make([]protoreflect.FileDescriptor, len(files))
	for i, file := range files {
		all[i] = file
	}
	return all
}

func TestProtosBreakNobody(t *testing.T) {
	released, now := compile(t, "baseline/api"), compile(t, "../api")
	for _, broken := range ProtoBreaks(descriptors(released), now.AsResolver()) {
		t.Errorf("since the last release: %s", broken)
	}
}

// TestGeneratedCodeIsOfTheProtos compares both ways: what is in either is in
// both.
func TestGeneratedCodeIsOfTheProtos(t *testing.T) {
	protos := compile(t, "../api")
	for _, missing := range ProtoBreaks(descriptors(protos), protoregistry.GlobalFiles) {
		t.Errorf("the generated code is not of the proto: %s", missing)
	}
	var generated []protoreflect.FileDescriptor
	for _, file := range protos {
		made, err := protoregistry.GlobalFiles.FindFileByPath(file.Path())
		if err != nil {
			t.Fatal(err)
		}
		generated = append(generated, made)
	}
	for _, extra := range ProtoBreaks(generated, protos.AsResolver()) {
		t.Errorf("the proto is not what the generated code is of: %s", extra)
	}
}

const before = `syntax = "proto3";
package shop;
service Till {
  rpc Pay(Bill) returns (Receipt);
  rpc Watch(Bill) returns (stream Receipt);
}
enum State {
  STATE_UNSPECIFIED = 0;
  STATE_PAID = 1;
}
message Bill {
  reserved 8 to 9;
  reserved "old";
  string id = 1;
  int64 amount = 2;
  repeated string items = 3;
  State state = 4;
  Part part = 5;
  message Part { string name = 1; }
  oneof how { string card = 6; bool cash = 7; }
}
message Receipt { string id = 1; }
`

func compileText(t *testing.T, text string) linker.Files {
	t.Helper()
	return compileFrom(t, &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"till.proto": text}),
	}, "till.proto")
}

func TestEachBreakOfAProtoIsFound(t *testing.T) {
	for _, c := range []struct {
		name, old, now string
		want           []string
	}{
		{"nothing", "", "", nil},
		{"comment", "message Receipt", "// Given to the customer.\nmessage Receipt", nil},
		{"field added", "int64 amount = 2;", "int64 amount = 2; string note = 10;", nil},
		{"method added", "rpc Pay(Bill)", "rpc Void(Bill) returns (Receipt); rpc Pay(Bill)", nil},
		{"message added", "message Receipt", "message Refund { Bill bill = 1; }\nmessage Receipt", nil},
		{"enum value added", "STATE_PAID = 1;", "STATE_PAID = 1; STATE_VOID = 2;", nil},
		{"field removed", "int64 amount = 2;", "", []string{"shop.Bill.amount = 2 is gone"}},
		{"field removed and reserved", "int64 amount = 2;", `reserved 2; reserved "amount";`, []string{"shop.Bill.amount = 2 is gone"}},
		{"field renumbered", "int64 amount = 2;", "int64 amount = 12;", []string{"shop.Bill.amount = 2 is gone"}},
		{"field renamed", "int64 amount", "int64 total", []string{
			"shop.Bill.amount = 2: name amount is now name total", "shop.Bill.amount = 2: JSON name amount is now JSON name total",
		}},
		{"JSON name", "int64 amount = 2;", `int64 amount = 2 [json_name = "sum"];`, []string{"shop.Bill.amount = 2: JSON name amount is now JSON name sum"}},
		{"type", "int64 amount", "int32 amount", []string{"shop.Bill.amount = 2: type int64 is now type int32"}},
		{"message type", "Part part = 5", "Receipt part = 5", []string{"shop.Bill.part = 5: type shop.Bill.Part is now type shop.Receipt"}},
		{"not repeated", "repeated string items", "string items", []string{"shop.Bill.items = 3: repeated is now optional"}},
		{"presence", "int64 amount", "optional int64 amount", []string{
			"shop.Bill.amount = 2: presence false is now presence true", "shop.Bill.amount = 2: oneof none is now oneof shop.Bill._amount",
		}},
		{"out of the oneof", "oneof how { string card = 6; bool cash = 7; }", "oneof how { string card = 6; } bool cash = 7;", []string{
			"shop.Bill.cash = 7: presence true is now presence false", "shop.Bill.cash = 7: oneof shop.Bill.how is now oneof none",
		}},
		{"nested field", "message Part { string name = 1; }", "message Part { }", []string{"shop.Bill.Part.name = 1 is gone"}},
		{"reserved number", "reserved 8 to 9;", "reserved 9;", []string{"shop.Bill does not reserve 8 any more"}},
		{"reserved name", `reserved "old";`, "", []string{`shop.Bill does not reserve "old" any more`}},
		{"enum value removed", "STATE_PAID = 1;", "", []string{"shop.STATE_PAID = 1 is gone"}},
		{"enum value renamed", "STATE_PAID = 1;", "STATE_DONE = 1;", []string{"shop.STATE_PAID = 1: name is now STATE_DONE"}},
		{"message removed", "message Receipt { string id = 1; }", "message Note { string id = 1; }", []string{
			"shop.Receipt is gone", "shop.Till.Pay returns shop.Note now", "shop.Till.Watch returns shop.Note now",
		}},
		{"service removed", "service Till", "service Register", []string{"shop.Till is gone"}},
		{"method removed", "rpc Pay(Bill) returns (Receipt);", "", []string{"shop.Till.Pay is gone"}},
		{"request", "rpc Pay(Bill)", "rpc Pay(Receipt)", []string{"shop.Till.Pay takes shop.Receipt now"}},
		{"no stream", "returns (stream Receipt)", "returns (Receipt)", []string{"shop.Till.Watch streams otherwise now"}},
		{"package", "package shop;", "package store;", []string{
			"shop.Bill is gone", "shop.Receipt is gone", "shop.State is gone", "shop.Till is gone",
		}},
	} {
		after := strings.Replace(before, c.old, c.now, 1)
		if c.name == "message removed" {
			after = strings.ReplaceAll(after, "(Receipt)", "(Note)")
			after = strings.ReplaceAll(after, "(stream Receipt)", "(stream Note)")
		}
		if c.old != "" && after == before {
			t.Errorf("%s: nothing is changed", c.name)
		}
		got := ProtoBreaks(descriptors(compileText(t, before)), compileText(t, after).AsResolver())
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestBaselineHasAllOfTheLastRelease makes sure that nothing is compared with a
// baseline that somebody has thinned out: a contract is in it or is new.
func TestBaselineHasAllOfTheLastRelease(t *testing.T) {
	for dir, want := range map[string]int{"baseline/api": 5, "baseline/schema": 6} {
		n := 0
		err := filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				n++
			}
			return err
		})
		if err != nil || n < want {
			t.Errorf("%s has %d files, %v; want %d or more", dir, n, err, want)
		}
	}
}
