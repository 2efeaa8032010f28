package topology

import _ "embed" // the schema

// Schema is a JSON schema (2020-12) of topologies, by which an editor completes
// and checks them.
//
//go:embed schema.json
var Schema string
