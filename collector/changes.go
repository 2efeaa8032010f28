package collector

import (
	"reflect"
	"slices"
	"strings"
)

// live are the keys, with all that is inside, that a running collector takes
// over from a new configuration.
func live() []string {
	keys := []string{
		"redact",
		"derive.max_series", "derive.max_series_per_service", "derive.expire_after", "derive.exclude", "derive.graph.max_edges",
		"sample.head.percent", "sample.head.rates",
		"export",
		"admin.stall_after", "admin.log_level", "admin.drain",
	}
	for _, listener := range []string{
		"receive.otlp.grpc", "receive.otlp.http", "receive.jaeger.thrift_http", "receive.jaeger.grpc", "receive.jaeger.sampling",
		"receive.zipkin", "receive.loki", "derive", "admin",
	} {
		keys = append(keys, listener+".tls", listener+".auth")
	}
	return keys
}

// changes are the keys in which two configurations differ, and those among
// them that need a restart.
func changes(before, after Config) (all, restart []string) {
	was, is := before.sections(), after.sections()
	for name := range was {
		all = append(all, differences(reflect.ValueOf(was[name]).Elem(), reflect.ValueOf(is[name]).Elem(), name)...)
	}
	slices.Sort(all)
	switched := before.Sample.Enabled() != after.Sample.Enabled()
	for _, path := range all {
		taken := slices.ContainsFunc(live(), func(key string) bool { return path == key || strings.HasPrefix(path, key+".") })
		if !taken || switched && strings.HasPrefix(path, "sample.") {
			restart = append(restart, path)
		}
	}
	return all, restart
}

// Differences are the keys in which two structs of one type differ, behind that
// prefix: for sections that Load has read besides the collector's own.
func Differences(prefix string, before, after any) []string {
	return differences(reflect.ValueOf(before), reflect.ValueOf(after), prefix)
}

// differences goes down to what the file gives as one value.
func differences(a, b reflect.Value, path string) (all []string) {
	if !isSection(a.Type()) {
		if !reflect.DeepEqual(a.Interface(), b.Interface()) {
			all = append(all, path)
		}
		return all
	}
	for _, f := range reflect.VisibleFields(a.Type()) {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" && f.IsExported() {
			all = append(all, differences(a.FieldByIndex(f.Index), b.FieldByIndex(f.Index), join(path, name))...)
		}
	}
	return all
}
