package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestReplayingByCommand(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, databaseURL := storetest.New(t)
	o := storetest.Organization(t, s)
	keyset := filepath.Join(t.TempDir(), "keyset")
	require.NoError(t, os.WriteFile(keyset, storetest.Keyset(t), 0o600))
	source, err := s.CreateSource(ctx, store.NewSource{
		OrganizationID: &o.ID, Platform: "debrief", Name: "own", Secrets: []store.Secret{"whsec_cGxhbnRlZC1zaWduaW5nLXNlY3JldC1vZi1vdXJz"},
	}, store.Operator)
	require.NoError(t, err)
	var ids []string
	for _, body := range []string{
		`{"type":"meeting.ended","timestamp":"2026-10-06T14:47:10Z","data":{"keys":{"instance_id":"1"},"title":"Secret plans"}}`,
		`{"type":"meeting.imagined"}`,
	} {
		id, _, err := s.InsertDelivery(ctx, store.NewDelivery{
			Source: source, DedupeKey: "msg_" + uuid.NewString(), Header: map[string][]string{"Webhook-Id": {"msg_1"}},
			Body: []byte(body), ReceivedAt: time.Date(2026, 10, 6, 15, 0, 0, 0, time.UTC),
		})
		require.NoError(t, err)
		ids = append(ids, id.String())
	}
	days := []string{"--from", "2026-10-06", "--until", "2026-10-06"}
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "name one delivery, or a range"},
		{append([]string{ids[0]}, days...), exitUsage, "name one delivery, or a range"},
		{[]string{uuid.NewString()}, exitNotFound, "there is no delivery"},
		{[]string{"--from", "2027-01-01"}, exitUsage, "nothing was received then"},
		{[]string{ids[0]}, exitOK, "would change its meeting"},
		{days, exitOK, "would be left as it is: timestamp is missing"},
		{append([]string{"--mode", "resume"}, days...), exitOK, "2 of 2"},
		{append([]string{"--mode", "redo"}, days...), exitUsage, "add --yes"},
		{append([]string{"--mode", "redo", "--yes", "--redo-id", "7b8f9d0e-3a57-4c2e-9a53-0d6c0f0e6c11"}, days...), exitOK, "is done as new"},
		{append([]string{"--mode", "redo", "--yes", "--redo-id", "7b8f9d0e-3a57-4c2e-9a53-0d6c0f0e6c11"}, days...), exitOK, "2 of them left alone"},
	} {
		code, out, errs := runCommand(t, append([]string{"--database-url", databaseURL, "--keyset-file", keyset, "deliveries", "replay"}, tc.args...)...)
		require.Equal(t, tc.code, code, "%v: %s", tc.args, errs)
		require.Contains(t, out+errs, tc.want, "%v", tc.args)
		require.NotContains(t, out+errs, "Secret", "%v", tc.args)
	}
	all, err := s.Deliveries(ctx, store.DeliveryFilter{})
	require.NoError(t, err)
	require.Len(t, all, 4)

	_, err = s.ClaimDeliveries(ctx, 10)
	require.NoError(t, err)
	for _, d := range all {
		require.NoError(t, s.SettleDelivery(ctx, d.ID, store.DeliveryUnprocessable, "as a test wants it"))
	}
	code, out, errs := runCommand(t, "--database-url", databaseURL, "--keyset-file", keyset, "deliveries", "prune", "--older-than", "24h")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "The content of ")
	code, out, errs = runCommand(t, "--database-url", databaseURL, "--keyset-file", keyset, "deliveries", "replay", ids[0], "--mode", "resume")
	require.Equal(t, exitOK, code, errs)
	require.Contains(t, out, "nothing is kept of it")
}
