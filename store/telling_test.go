package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestQuietHoursAndDigests(t *testing.T) {
	t.Parallel()
	const none = ""
	for name, c := range map[string]struct {
		settings           store.NotifySettings
		now, quiet, digest string
	}{
		"nothing is set":               {store.NotifySettings{}, "2026-11-20T23:00:00Z", none, none},
		"off":                          {store.NotifySettings{QuietHours: "off", Digest: "off"}, "2026-11-20T23:00:00Z", none, none},
		"before they begin":            {store.NotifySettings{QuietHours: "20:00-08:00"}, "2026-11-20T19:59:59Z", none, none},
		"in the evening":               {store.NotifySettings{QuietHours: "20:00-08:00"}, "2026-11-20T20:00:00Z", "2026-11-21T08:00:00Z", none},
		"in the morning":               {store.NotifySettings{QuietHours: "20:00-08:00"}, "2026-11-20T07:59:00Z", "2026-11-20T08:00:00Z", none},
		"when they end":                {store.NotifySettings{QuietHours: "20:00-08:00"}, "2026-11-20T08:00:00Z", none, none},
		"within a day":                 {store.NotifySettings{QuietHours: "12:00-13:00"}, "2026-11-20T12:30:00Z", "2026-11-20T13:00:00Z", none},
		"elsewhere":                    {store.NotifySettings{TimeZone: "America/New_York", QuietHours: "20:00-08:00"}, "2026-11-21T02:00:00Z", "2026-11-21T13:00:00Z", none},
		"over the change of the clock": {store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00"}, "2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z", none},
		"the digest of today":          {store.NotifySettings{Digest: "09:00"}, "2026-11-20T08:59:59Z", none, "2026-11-20T09:00:00Z"},
		"the digest of tomorrow":       {store.NotifySettings{Digest: "09:00"}, "2026-11-20T09:00:00Z", none, "2026-11-21T09:00:00Z"},
		"a digest elsewhere":           {store.NotifySettings{TimeZone: "Asia/Tokyo", Digest: "09:00"}, "2026-11-20T01:00:00Z", none, "2026-11-21T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := func(at time.Time) string {
				if at.IsZero() {
					return none
				}
				return at.UTC().Format(time.RFC3339)
			}
			now, err := time.Parse(time.RFC3339, c.now)
			require.NoError(t, err)
			require.Equal(t, c.quiet, text(c.settings.QuietUntil(now)))
			require.Equal(t, c.digest, text(c.settings.NextDigest(now)))
		})
	}
}

func TestNonsenseAboutWhenToTellIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	o := storetest.Organization(t, s)
	ctx := t.Context()
	p, err := s.AddPerson(ctx, store.Person{OrganizationID: o.ID, Name: "Ada", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "ada@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	for _, n := range []store.NotifySettings{
		{TimeZone: "Berlin"}, {TimeZone: "Local"}, {QuietHours: "20-8"}, {QuietHours: "20:00"}, {QuietHours: "08:00-08:00"}, {QuietHours: "25:00-08:00"}, {Digest: "nine"},
	} {
		var refusal *store.Refusal
		require.ErrorAs(t, s.SetNotifySettings(ctx, o.ID, n, store.Operator), &refusal, n)
		require.ErrorAs(t, s.SetPersonNotify(ctx, o.ID, p.ID, n, store.Operator), &refusal, n)
	}
	require.NoError(t, s.SetNotifySettings(ctx, o.ID, store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00", Digest: "09:00"}, store.Operator))
	require.NoError(t, s.SetPersonNotify(ctx, o.ID, p.ID, store.NotifySettings{Digest: "off"}, store.Operator))
	to, err := s.Addressee(ctx, o.ID, p.ID)
	require.NoError(t, err)
	require.Equal(t, store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00", Digest: "off"}, to.Notify, "a person's word goes before the organization's")
}
