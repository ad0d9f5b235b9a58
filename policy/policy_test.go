package policy_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/policy"
)

func permission() *rapid.Generator[policy.Permission] {
	return rapid.SampledFrom([]policy.Permission{policy.Deny, policy.Ask, policy.Allow, "", "Allow", "yes"})
}

func tool() *rapid.Generator[policy.Tool] {
	return rapid.Custom(func(t *rapid.T) policy.Tool {
		return policy.Tool{
			Object:    rapid.SampledFrom([]string{"contact", "deal", "note", "p12_car"}).Draw(t, "object"),
			Operation: rapid.SampledFrom([]policy.Operation{policy.Read, policy.Create, policy.Update, policy.Archive, "burn"}).Draw(t, "operation"),
		}
	})
}

func permissions() *rapid.Generator[policy.Permissions] {
	return rapid.Custom(func(t *rapid.T) policy.Permissions {
		return rapid.MapOfN(tool(), permission(), 0, 10).Draw(t, "permissions")
	})
}

// openness orders permissions without using the package's own order.
func openness(p policy.Permission) int {
	return map[policy.Permission]int{policy.Ask: 1, policy.Allow: 2}[p]
}

func TestStrictestWins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := permission().Draw(t, "a"), permission().Draw(t, "b"), permission().Draw(t, "c")
		got := policy.Stricter(a, b)
		require.Equal(t, min(openness(a), openness(b)), openness(got))
		require.Contains(t, []policy.Permission{policy.Deny, policy.Ask, policy.Allow}, got)
		require.Equal(t, got, policy.Stricter(b, a))
		require.Equal(t, policy.Stricter(got, c), policy.Stricter(a, policy.Stricter(b, c)))
	})
}

func TestAddingADenyNeverOpensAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := permissions().Draw(t, "before")
		denied, asked := tool().Draw(t, "denied"), tool().Draw(t, "asked")
		after := policy.Permissions{denied: policy.Deny}
		for known, p := range before {
			if known != denied {
				after[known] = p
			}
		}
		was, is := policy.Decide(before, policy.Request{Tool: asked}), policy.Decide(after, policy.Request{Tool: asked})
		require.LessOrEqual(t, openness(is.Permission), openness(was.Permission))
		require.Equal(t, policy.Deny, policy.Decide(after, policy.Request{Tool: denied}).Permission)
	})
}

func TestDecideOpensOnlyWhatWasConfigured(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, asked := permissions().Draw(t, "permissions"), tool().Draw(t, "tool")
		got := policy.Decide(p, policy.Request{Tool: asked})
		require.NotEmpty(t, got.Reason)
		require.Equal(t, got.Permission, p.Decide(asked))
		if got.Permission != policy.Deny {
			require.Equal(t, p[asked], got.Permission)
		}
	})
}

func TestDecide(t *testing.T) {
	t.Parallel()
	dealCreate := policy.Tool{Object: "deal", Operation: policy.Create}
	tests := map[string]struct {
		permissions policy.Permissions
		want        policy.Decision
	}{
		"nothing configured": {nil, policy.Decision{Permission: policy.Deny, Reason: "Create Deal has no permission, which denies it"}},
		"denied":             {policy.Permissions{dealCreate: policy.Deny}, policy.Decision{Permission: policy.Deny, Reason: "Create Deal is denied"}},
		"ask":                {policy.Permissions{dealCreate: policy.Ask}, policy.Decision{Permission: policy.Ask, Reason: "Create Deal is set to ask"}},
		"allow":              {policy.Permissions{dealCreate: policy.Allow}, policy.Decision{Permission: policy.Allow, Reason: "Create Deal is allowed"}},
		"another tool's": {
			policy.Permissions{{Object: "deal", Operation: policy.Update}: policy.Allow},
			policy.Decision{Permission: policy.Deny, Reason: "Create Deal has no permission, which denies it"},
		},
		"unknown": {
			policy.Permissions{dealCreate: "ALLOW"},
			policy.Decision{Permission: policy.Deny, Reason: "Create Deal has an unknown permission, which denies it"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, policy.Decide(test.permissions, policy.Request{Tool: dealCreate}))
		})
	}
}

func TestTools(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, info := range policy.Tools() {
		require.False(t, seen[info.Tool.String()], info.Tool)
		seen[info.Tool.String()] = true
		require.Equal(t, info.Tool.Title(), info.Title)
		require.NotEmpty(t, info.Description)
		require.NotEmpty(t, info.Scopes)
		parsed, err := policy.ParseTool(info.Tool.String())
		require.NoError(t, err)
		require.Equal(t, info.Tool, parsed)
	}
	require.Len(t, seen, 29) // read, create, update and archive of seven, read of owners
}

func TestPresets(t *testing.T) {
	t.Parallel()
	presets := map[string]policy.Permissions{}
	for _, p := range policy.Presets() {
		presets[p.Name] = p.Permissions
		require.NotEmpty(t, p.Description)
	}
	want := map[string]policy.Permission{
		"contact.read": policy.Allow, "owner.read": policy.Allow, "ticket.read": policy.Allow,
		"meeting.create": policy.Allow, "meeting.update": policy.Allow, "note.create": policy.Allow, "task.update": policy.Allow,
		"contact.create": policy.Ask, "company.update": policy.Ask, "deal.create": policy.Ask, "deal.update": policy.Ask, "ticket.create": policy.Ask,
		"contact.archive": policy.Ask, "note.archive": policy.Ask, "owner.archive": policy.Deny,
	}
	for name, permission := range want {
		tool, err := policy.ParseTool(name)
		require.NoError(t, err)
		require.Equal(t, permission, presets["recommended"].Decide(tool), name)
		require.Equal(t, policy.Deny, presets["locked"].Decide(tool), name)
		if tool.Operation == policy.Archive {
			require.NotEqual(t, policy.Allow, presets["hands-off"].Decide(tool), "taking back is asked about under every preset")
		}
	}
}

func TestDeniedError(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("reading contacts: %w", &policy.DeniedError{Tool: policy.Tool{Object: "contact", Operation: policy.Read}})
	require.ErrorIs(t, err, policy.ErrDenied)
	require.EqualError(t, err, "reading contacts: Read Contact is denied")
	var denied *policy.DeniedError
	require.True(t, errors.As(err, &denied))
	require.Equal(t, "contact", denied.Tool.Object)
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "deal", ".create", "deal.", "deal.delete", "deal.Create"} {
		_, err := policy.ParseTool(s)
		require.Error(t, err, s)
	}
	custom, err := policy.ParseTool("p12_my.car.update")
	require.NoError(t, err)
	require.Equal(t, policy.Tool{Object: "p12_my.car", Operation: policy.Update}, custom)
	for _, s := range []string{"", "ALLOW", "yes"} {
		p, err := policy.ParsePermission(s)
		require.Error(t, err, s)
		require.Equal(t, policy.Deny, p)
	}
}
