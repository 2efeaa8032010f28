// Package contract keeps what the shop's services have promised each other, and
// what they count on.
//
// What is promised: the protos in ../api, and in schema a JSON Schema (2020-12)
// of each type and version of event, as it is on the bus. Both are compared with
// those of the last release, which are kept in baseline: ProtoBreaks and
// SchemaBreaks tell what who is not changed at the same time would stumble over.
//
// What is counted on: each consumer's expectations of each provider, as data:
// Calls, HTTPCalls and EventNeeds. They are tests on both sides. The real
// provider is asked for each, and has to answer so; the real consumer is run
// against a stub that knows nothing else, and has to get along with that.
//
// Services that run import nothing of this.
package contract
