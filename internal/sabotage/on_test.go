//go:build sabotage

package sabotage_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.Main(m)
}

// TestEachSwitchBreaksItsPromise runs tests that guard the promises. With its switch
// on, each fails, or prints what it must not; without, none does.
func TestEachSwitchBreaksItsPromise(t *testing.T) { //nolint:tparallel // one after the other: each is a process with all cores
	t.Parallel()
	cases := []struct {
		broken sabotage.Switch
		// guard is the test, of a package, and times how often it is run, if more than
		// once: until it fails.
		pkg, guard, times string
		// prints is what it must not print.
		prints string
	}{
		{broken: sabotage.ForgetDelivery, pkg: "webhooks", guard: "TestAllOrdersMakeOneMeeting"},
		{broken: sabotage.Twice, pkg: "store", guard: "TestRevisionAndReplay"},
		{broken: sabotage.Twice, pkg: "webhooks", guard: "TestDuplicatesAtOnce"},
		{broken: sabotage.Unpermitted, pkg: "crm", guard: "TestPermissionAtTheMomentOfTheCall"},
		{broken: sabotage.AskAsAllow, pkg: "store", guard: "TestPermissionsDecideWhatBecomesOfAPlan"},
		{broken: sabotage.WriteAgain, pkg: "crm", guard: "TestLostAnswers"},
		{broken: sabotage.LoseDecision, pkg: "store", guard: "TestADecisionIsJudgedOnce", times: "50"},
		{broken: sabotage.DropOnDeadGrant, pkg: "store", guard: "TestAPausedFollowUpGoesOnWhenItsConnectionIsBack"},
		{broken: sabotage.NoTrail, pkg: "crm", guard: "TestAuditStandsBeforeTheCall"},
		{broken: sabotage.ClearText, pkg: "codec", guard: "TestWhichKey"},
		{broken: sabotage.LogToken, pkg: "crm", guard: "TestAllowWritesOnce", prints: "calling HubSpot with the access token "},
		{broken: sabotage.Stuck, pkg: "store", guard: "TestADecisionIsJudgedOnce"},
		{broken: sabotage.Stuck, pkg: "workflows", guard: "TestALostWakeUpCostsMinutes"},
	}
	tests := map[string]string{}
	for _, c := range cases {
		if tests[c.pkg] == "" {
			tests[c.pkg] = filepath.Join(t.TempDir(), c.pkg+".test")
			out, err := exec.CommandContext(t.Context(), "go", "test", "-tags", "sabotage", "-c", "-o", tests[c.pkg], "../../"+c.pkg).CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		run := func(broken sabotage.Switch, times string) (string, error) {
			test := exec.CommandContext(t.Context(), tests[c.pkg], "-test.run", "^"+c.guard+"$", "-test.v", "-test.failfast", "-test.count", times)
			test.Dir = filepath.Join("..", "..", c.pkg)
			test.Env = append(os.Environ(), sabotage.Variable+"="+string(broken))
			out, err := test.CombinedOutput()
			return string(out), err
		}
		t.Run(string(c.broken)+" "+c.guard, func(t *testing.T) {
			out, err := run("", "1")
			require.NoError(t, err, out)
			require.Contains(t, out, "--- PASS: "+c.guard)
			if c.prints != "" {
				require.NotContains(t, out, c.prints)
			}
			out, err = run(c.broken, cmp.Or(c.times, "1"))
			if c.prints != "" {
				require.NoError(t, err, out)
				require.Contains(t, out, c.prints)
				return
			}
			require.Error(t, err, "it passes although its promise is broken")
			require.Contains(t, out, "--- FAIL: "+c.guard)
		})
	}
}

// TestOtherTenant: with the switch on, an organization is given another's token.
func TestOtherTenant(t *testing.T) {
	s, _ := storetest.New(t)
	ctx := context.Background()
	connect := func(hubID int64, token store.Secret) store.Connection {
		organization := storetest.Organization(t, s)
		c, err := s.ImportToken(ctx, organization.ID, "main", store.Granted{HubID: hubID}, token, store.Operator)
		require.NoError(t, err)
		return c
	}
	ours := connect(1001, "ours")
	connect(1002, "theirs")

	given, err := s.Token(ctx, ours.ID)
	require.NoError(t, err)
	require.Equal(t, "ours", given.Access.Reveal())
	t.Setenv(sabotage.Variable, string(sabotage.OtherTenant))
	given, err = s.Token(ctx, ours.ID)
	require.NoError(t, err)
	require.Equal(t, "theirs", given.Access.Reveal())
}
