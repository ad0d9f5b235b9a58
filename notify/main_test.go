package notify_test

import (
	"testing"

	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
