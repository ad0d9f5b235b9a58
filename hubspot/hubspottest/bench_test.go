package hubspottest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// bench is a simulator with this many contacts and companies in it, each
// contact at a company.
func bench(b *testing.B, records int) (do func(method, path, body string) int, ids []string) {
	b.Helper()
	s := hubspottest.NewServer(hubspottest.Options{})
	b.Cleanup(s.Close)
	s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes})
	s.AddPortal(hubspottest.Portal{HubID: hub, Settings: hubspottest.Settings{NoRateLimits: true}})
	for i := range records {
		company, err := s.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": fmt.Sprint("C", i), "domain": fmt.Sprintf("c%d.example", i)}})
		require.NoError(b, err)
		contact, err := s.Add(hub, "contacts", hubspottest.Seed{
			Properties: map[string]string{"email": fmt.Sprintf("p@c%d.example", i)}, Associations: map[string][]string{"companies": {company.ID}},
		})
		require.NoError(b, err)
		ids = append(ids, contact.ID)
	}
	token, _ := s.Token(client, hub, 0)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport}
	return func(method, path, body string) int {
		req, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
		if err != nil {
			return 0
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := c.Do(req)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		return res.StatusCode
	}, ids
}

const benchRecords = 10_000

func run(b *testing.B, want int, one func(i int64) int) {
	b.Helper()
	var n atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if got := one(n.Add(1)); got != want {
				b.Errorf("got %d", got)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func BenchmarkCreate(b *testing.B) {
	do, _ := bench(b, benchRecords)
	run(b, 201, func(i int64) int {
		return do("POST", objects+"contacts", fmt.Sprintf(`{"properties":{"email":"new%d@x.example","firstname":"Ines","lastname":"Castell"}}`, i))
	})
}

func BenchmarkRead(b *testing.B) {
	do, ids := bench(b, benchRecords)
	run(b, 200, func(i int64) int {
		return do("GET", objects+"contacts/"+ids[int(i)%len(ids)]+"?properties=email,firstname&associations=companies", "")
	})
}

func BenchmarkSearchByEmail(b *testing.B) {
	do, ids := bench(b, benchRecords)
	run(b, 200, func(i int64) int {
		return do("POST", objects+"contacts/search", fmt.Sprintf(`{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"p@c%d.example"}]}]}`, int(i)%len(ids)))
	})
}

// BenchmarkSearchByAnything has no index to use.
func BenchmarkSearchByAnything(b *testing.B) {
	do, _ := bench(b, benchRecords)
	run(b, 200, func(int64) int {
		return do("POST", objects+"contacts/search", `{"filterGroups":[{"filters":[{"propertyName":"city","operator":"EQ","value":"Bonn"}]}]}`)
	})
}

func BenchmarkList(b *testing.B) {
	do, ids := bench(b, benchRecords)
	run(b, 200, func(i int64) int { return do("GET", objects+"contacts?limit=10&after="+ids[int(i)%len(ids)], "") })
}
