package hubspot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
)

func TestMissingScope(t *testing.T) {
	t.Parallel()
	granted := []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.deals.read", "tickets"}
	for _, c := range []struct {
		object  string
		write   bool
		missing string
	}{
		{"contact", true, ""},
		{"notes", true, ""},
		{"deal", false, ""},
		{"0-3", true, "crm.objects.deals.write"},
		{"ticket", true, ""},
		{"company", false, "crm.objects.companies.read"},
		{"owner", false, "crm.objects.owners.read"},
		{"2-4711", true, "crm.objects.custom.write"},
	} {
		require.Equal(t, c.missing, hubspot.MissingScope(granted, c.object, c.write), "%s, write %t", c.object, c.write)
	}
}
