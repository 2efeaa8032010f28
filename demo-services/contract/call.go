package contract

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Call is a gRPC call that a consumer makes of a provider, and what it counts on
// in the answer.
type Call struct {
	// Name tells it from the consumer's other calls of the provider.
	Name string
	// Given are the calls that have been made before, for the provider to be in
	// the state for this answer.
	Given []Call
	// Method is the full name: "/shop.user.v1.UserService/GetUser".
	Method  string
	Request proto.Message
	// Answer has what the consumer reads of it, and nothing else; when the call
	// is refused it is empty, of the answer's type.
	Answer proto.Message
	// Code and Reason are what the consumer tells refusals apart by; Metadata
	// are the keys that it reads with the reason.
	Code     codes.Code
	Reason   string
	Metadata []string
	// Chosen are fields, in the request and the answer, of which it counts only
	// that there is something in them: ids, times.
	Chosen []protoreflect.Name
	// Later says that the answer may be an older one for a moment.
	Later bool
}

// GivenOrder begins the ids of orders that a call has made which is given, and
// whose id the provider has chosen.
const GivenOrder = "ord_given"

// Asks says whether the request is the one that is expected.
func (c Call) Asks(request proto.Message) bool {
	return len(c.missing("", c.Request.ProtoReflect(), request.ProtoReflect())) == 0 &&
		len(c.missing("", request.ProtoReflect(), c.Request.ProtoReflect())) == 0
}

// Lacks says what the consumer counts on and is not in the answer.
func (c Call) Lacks(answer proto.Message) []string {
	return c.missing("", c.Answer.ProtoReflect(), answer.ProtoReflect())
}

// missing compares what is in want, and nothing else.
func (c Call) missing(at string, want, got protoreflect.Message) []string {
	var all []string
	for field, value := range want.Range {
		where := at + "/" + string(field.Name())
		switch {
		case !got.Has(field):
			all = append(all, where+" is missing")
		case slices.Contains(c.Chosen, field.Name()):
		case field.IsList():
			all = append(all, c.missingOf(where, field, value.List(), got.Get(field).List())...)
		default:
			all = append(all, c.missingIn(where, field, value, got.Get(field))...)
		}
	}
	return all
}

func (c Call) missingOf(at string, field protoreflect.FieldDescriptor, want, got protoreflect.List) []string {
	if want.Len() != got.Len() {
		return []string{fmt.Sprintf("%s has %d elements, not %d", at, got.Len(), want.Len())}
	}
	var all []string
	for i := range want.Len() {
		all = append(all, c.missingIn(fmt.Sprintf("%s/%d", at, i), field, want.Get(i), got.Get(i))...)
	}
	return all
}

func (c Call) missingIn(at string, field protoreflect.FieldDescriptor, want, got protoreflect.Value) []string {
	if field.Message() != nil {
		return c.missing(at, want.Message(), got.Message())
	}
	if !want.Equal(got) {
		return []string{fmt.Sprintf("%s is %v, not %v", at, got, want)}
	}
	return nil
}

// WithOrder returns the call with the id in the place of those that begin with
// GivenOrder.
func (c Call) WithOrder(id string) Call {
	c.Request, c.Answer = proto.Clone(c.Request), proto.Clone(c.Answer)
	replaceOrder(c.Request.ProtoReflect(), id)
	replaceOrder(c.Answer.ProtoReflect(), id)
	return c
}

func replaceOrder(m protoreflect.Message, id string) {
	for field, value := range m.Range {
		switch {
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			for i := range value.List().Len() {
				replaceOrder(value.List().Get(i).Message(), id)
			}
		case field.Kind() == protoreflect.MessageKind && !field.IsMap():
			replaceOrder(value.Message(), id)
		case field.Kind() == protoreflect.StringKind && !field.IsList() && strings.HasPrefix(value.String(), GivenOrder):
			m.Set(field, protoreflect.ValueOfString(id))
		}
	}
}
