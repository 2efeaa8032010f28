package contract

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Resolver finds what there is now. A compiler's files are one, and
// protoregistry.GlobalFiles, which are those that the generated code was made of.
type Resolver interface {
	FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error)
}

// ProtoBreaks says what in the old files can't be relied on any more, in the
// order of the files: for those who were compiled with them, on the wire, in
// JSON or in source. What has been added is no break.
func ProtoBreaks(old []protoreflect.FileDescriptor, now Resolver) []string {
	c := protoComparison{now: now}
	for _, file := range old {
		c.messages(file.Messages())
		c.enums(file.Enums())
		for service := range all(file.Services()) {
			c.service(service)
		}
	}
	return c.breaks
}

type protoComparison struct {
	now    Resolver
	breaks []string
}

func (c *protoComparison) add(at protoreflect.Descriptor, format string, args ...any) {
	c.breaks = append(c.breaks, string(at.FullName())+" "+fmt.Sprintf(format, args...))
}

// list is any of protoreflect's lists.
type list[D any] interface {
	Len() int
	Get(i int) D
}

func all[D any](l list[D]) iter.Seq[D] {
	return func(yield func(D) bool) {
		for i := range l.Len() {
			if !yield(l.Get(i)) {
				return
			}
		}
	}
}

// find is what the old one is now, of the same kind.
func find[D protoreflect.Descriptor](c *protoComparison, old D) (now D, found bool) {
	d, err := c.now.FindDescriptorByName(old.FullName())
	if err == nil {
		now, found = d.(D)
	}
	if !found {
		c.add(old, "is gone")
	}
	return now, found
}

func (c *protoComparison) messages(messages protoreflect.MessageDescriptors) {
	for old := range all(messages) {
		if now, found := find(c, old); found {
			c.message(old, now)
		}
	}
}

func (c *protoComparison) message(old, now protoreflect.MessageDescriptor) {
	for field := range all(old.Fields()) {
		if same := now.Fields().ByNumber(field.Number()); same != nil {
			c.field(field, same)
		} else {
			c.add(field, "= %d is gone", field.Number())
		}
	}
	for i := range old.ReservedRanges().Len() {
		for n, end := old.ReservedRanges().Get(i)[0], old.ReservedRanges().Get(i)[1]; n < end; n++ {
			if !now.ReservedRanges().Has(n) {
				c.add(old, "does not reserve %d any more", n)
			}
		}
	}
	for i := range old.ReservedNames().Len() {
		if name := old.ReservedNames().Get(i); !now.ReservedNames().Has(name) {
			c.add(old, "does not reserve %q any more", name)
		}
	}
	c.messages(old.Messages())
	c.enums(old.Enums())
}

// field compares fields with the same number.
func (c *protoComparison) field(old, now protoreflect.FieldDescriptor) {
	before, after := traits(old), traits(now)
	for i, trait := range before {
		if trait != after[i] {
			c.add(old, "= %d: %s is now %s", old.Number(), trait, after[i])
		}
	}
}

// traits are what makes a field what it is.
func traits(f protoreflect.FieldDescriptor) []string {
	kind, oneof := f.Kind().String(), protoreflect.FullName("none")
	if f.Message() != nil {
		kind = string(f.Message().FullName())
	} else if f.Enum() != nil {
		kind = string(f.Enum().FullName())
	}
	if o := f.ContainingOneof(); o != nil {
		oneof = o.FullName()
	}
	return []string{
		"name " + string(f.Name()), "JSON name " + f.JSONName(), "type " + kind, f.Cardinality().String(),
		fmt.Sprintf("presence %t", f.HasPresence()), "oneof " + string(oneof),
	}
}

func (c *protoComparison) enums(enums protoreflect.EnumDescriptors) {
	for old := range all(enums) {
		now, found := find(c, old)
		if !found {
			continue
		}
		for value := range all(old.Values()) {
			switch same := now.Values().ByNumber(value.Number()); {
			case same == nil:
				c.add(value, "= %d is gone", value.Number())
			case same.Name() != value.Name():
				c.add(value, "= %d: name is now %s", value.Number(), same.Name())
			}
		}
	}
}

func (c *protoComparison) service(old protoreflect.ServiceDescriptor) {
	if _, found := find(c, old); !found {
		return
	}
	for method := range all(old.Methods()) {
		now, found := find(c, method)
		if !found {
			continue
		}
		if method.Input().FullName() != now.Input().FullName() {
			c.add(method, "takes %s now", now.Input().FullName())
		}
		if method.Output().FullName() != now.Output().FullName() {
			c.add(method, "returns %s now", now.Output().FullName())
		}
		if method.IsStreamingClient() != now.IsStreamingClient() || method.IsStreamingServer() != now.IsStreamingServer() {
			c.add(method, "streams otherwise now")
		}
	}
}
