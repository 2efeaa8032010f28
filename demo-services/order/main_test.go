package order

import (
	"testing"

	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
