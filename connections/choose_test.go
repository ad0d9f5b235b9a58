package connections

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	mara, finn, zoom := uuid.New(), uuid.New(), uuid.New()
	account := func(name string, change ...func(*store.Connection)) store.Connection {
		c := store.Connection{ID: uuid.New(), Name: name, State: store.Connected, AccountType: "STANDARD"}
		for _, f := range change {
			f(&c)
		}
		return c
	}
	of := func(person uuid.UUID) func(*store.Connection) {
		return func(c *store.Connection) { c.IsUserLevel, c.PersonID = true, &person }
	}
	state := func(s store.ConnectionState) func(*store.Connection) {
		return func(c *store.Connection) { c.State = s }
	}
	standard := func(c *store.Connection) { c.IsDefault = true }
	sandbox := func(c *store.Connection) { c.AccountType = "SANDBOX" }
	anywhere := func(c *store.Connection) { c.AnyEnvironment = true }
	in := func(hub int64) func(*store.Connection) { return func(c *store.Connection) { c.HubID = hub } }

	main, second := account("main"), account("second")
	maras, finns := account("mara's", of(mara)), account("finn's", of(finn))
	trial, far := account("trial", sandbox), account("far", in(2))

	for name, c := range map[string]struct {
		choice    store.Choice
		want      string
		undecided string
	}{
		"nothing is connected": {choice: store.Choice{}, undecided: "no connection"},
		"the only one":         {choice: store.Choice{Connections: []store.Connection{main}}, want: "main"},
		"two":                  {choice: store.Choice{Connections: []store.Connection{main, second}}, undecided: "Several connections could act: main, second"},
		"two, one the default": {choice: store.Choice{Connections: []store.Connection{main, account("second", standard)}}, want: "second"},
		"the host's own before the account's": {
			choice: store.Choice{Host: &mara, Connections: []store.Connection{account("main", standard), maras, finns}}, want: "mara's",
		},
		"never somebody else's": {
			choice: store.Choice{Host: &mara, Connections: []store.Connection{finns}}, undecided: "only connections of people who do not host",
		},
		"a host without one": {choice: store.Choice{Host: &mara, Connections: []store.Connection{main, finns}}, want: "main"},
		"a host without one, and only hosts' own may act": {
			choice:    store.Choice{Host: &mara, HostsOnly: true, Connections: []store.Connection{main, finns}},
			undecided: "The host has not connected HubSpot",
		},
		"the host's two": {
			choice:    store.Choice{Host: &mara, Connections: []store.Connection{maras, account("mara's other", of(mara))}},
			undecided: "Several connections could act: mara's, mara's other",
		},
		"the host's default of two": {
			choice: store.Choice{Host: &mara, Connections: []store.Connection{maras, account("mara's other", of(mara), standard)}}, want: "mara's other",
		},
		"a rule about the source": {
			choice: store.Choice{
				SourceIDs: []uuid.UUID{zoom}, Host: &mara, Connections: []store.Connection{main, second, maras},
				Rules: []store.ConnectionRule{{SourceID: &zoom, ConnectionID: second.ID}},
			},
			want: "second",
		},
		"a rule about another source": {
			choice: store.Choice{
				Host: &mara, Connections: []store.Connection{main, second, maras},
				Rules: []store.ConnectionRule{{SourceID: &zoom, ConnectionID: second.ID}},
			},
			want: "mara's",
		},
		"a rule about the host's domain": {
			choice: store.Choice{
				HostDomains: []string{"brand.example"}, Connections: []store.Connection{main, second},
				Rules: []store.ConnectionRule{{HostDomain: "other.example", ConnectionID: main.ID}, {HostDomain: "brand.example", ConnectionID: second.ID}},
			},
			want: "second",
		},
		"a rule that names two things needs both": {
			choice: store.Choice{
				Host: &mara, Connections: []store.Connection{main, account("second", standard)},
				Rules: []store.ConnectionRule{{HostPersonID: &mara, SourceID: &zoom, ConnectionID: main.ID}},
			},
			want: "second",
		},
		"what somebody chose comes first": {
			choice: store.Choice{
				Chosen: &main.ID, SourceIDs: []uuid.UUID{zoom}, Connections: []store.Connection{main, second},
				Rules: []store.ConnectionRule{{SourceID: &zoom, ConnectionID: second.ID}},
			},
			want: "main",
		},
		"one that ended on purpose is not chosen": {
			choice: store.Choice{Connections: []store.Connection{account("old", state(store.Revoked)), main}}, want: "main",
		},
		"one that needs a reconnect still counts": {
			choice:    store.Choice{Connections: []store.Connection{account("tired", state(store.NeedsReconnect)), main}},
			undecided: "Several connections could act: tired, main",
		},
		"work waits for the only one, whatever its state": {
			choice: store.Choice{Connections: []store.Connection{account("old", state(store.Uninstalled))}}, want: "old",
		},
		"a default that was uninstalled makes no other account the default": {
			choice:    store.Choice{Connections: []store.Connection{account("main", standard, in(1), state(store.Uninstalled)), account("second", in(2))}},
			undecided: "The default connection has ended, and the other one leads to another HubSpot account: main, second",
		},
		"another one to the default's account may act": {
			choice: store.Choice{Connections: []store.Connection{account("main", standard, in(1), state(store.Revoked)), account("again", in(1))}}, want: "again",
		},
		"a leaver's own acts for nobody": {
			choice: store.Choice{Host: &mara, HostLeft: true, Connections: []store.Connection{account("mara's", of(mara), state(store.Revoked)), main}}, want: "main",
		},
		"what was written stays in its account": {
			choice: store.Choice{WroteTo: 1, Connections: []store.Connection{account("first", in(1)), account("second", in(2), standard)}}, want: "first",
		},
		"not even by choice is it continued elsewhere": {
			choice: store.Choice{WroteTo: 1, Chosen: &far.ID, Connections: []store.Connection{far}}, undecided: "stands in HubSpot account 1",
		},
		"a real meeting does not go to a sandbox": {
			choice: store.Choice{Connections: []store.Connection{trial}}, undecided: "production source, and the connection leads to a test account: trial",
		},
		"a test does not go to a real account": {
			choice: store.Choice{IsTest: true, Connections: []store.Connection{main}}, undecided: "test source, and the connection leads to a production account: main",
		},
		"each to its own": {choice: store.Choice{IsTest: true, Connections: []store.Connection{main, trial}}, want: "trial"},
		"unless an admin lets it": {
			choice: store.Choice{Connections: []store.Connection{account("trial", sandbox, anywhere)}}, want: "trial",
		},
		"a rule does not make it otherwise": {
			choice: store.Choice{
				SourceIDs: []uuid.UUID{zoom}, Connections: []store.Connection{main, trial},
				Rules: []store.ConnectionRule{{SourceID: &zoom, ConnectionID: trial.ID}},
			},
			undecided: "leads to a test account: trial",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := choose(c.choice)
			if c.undecided != "" {
				require.ErrorContains(t, err, c.undecided)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Name)
		})
	}
}
