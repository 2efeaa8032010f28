package collector

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/waybill-dev/waybill/collector/listen"
)

// CheckFiles reads the certificates, keys and tokens that listeners and
// destinations have in files, as Start and Reload do, and reports all that are
// of no use, by their keys. It is apart from Validate because a configuration
// may be looked at where its files are not.
func (c Config) CheckFiles() error {
	var errs []error
	sections := c.sections()
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		errs = append(errs, checkFiles(reflect.ValueOf(sections[name]).Elem(), name)...)
	}
	return errors.Join(errs...)
}

// client is what a destination's TLS can make of its files.
type client interface{ Client() (*tls.Config, error) }

func checkFiles(v reflect.Value, path string) (errs []error) {
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			errs = append(errs, checkFiles(v.Index(i), fmt.Sprintf("%s[%d]", path, i))...)
		}
		return errs
	}
	if !isSection(v.Type()) {
		return nil
	}
	if trust, ok := reflect.TypeAssert[client](v); ok {
		if _, err := trust.Client(); err != nil {
			return []error{fmt.Errorf("%s.%w", path, err)}
		}
		return nil
	}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if !f.IsExported() {
			continue
		}
		rule, guarded := reflect.TypeAssert[listen.Security](v.FieldByIndex(f.Index))
		switch name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); {
		case guarded:
			if address := v.FieldByName("Address"); address.Kind() != reflect.String || address.String() != "off" {
				errs = append(errs, rule.CheckFiles(path))
			}
		case name != "":
			errs = append(errs, checkFiles(v.FieldByIndex(f.Index), join(path, name))...)
		}
	}
	return errs
}
