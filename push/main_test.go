package push_test

import (
	"testing"

	"github.com/weft-im/weft/storage/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }
