package crm

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// cacheKey is what was read through which connection.
type cacheKey struct {
	organizationID, connectionID uuid.UUID
	what                         string
}

type cached struct {
	value any
	at    time.Time
}

// cache keeps what the account's admins change now and then. It forgets
// everything when it is full, which costs one read each and keeps it trivial.
type cache struct {
	age time.Duration
	now func() time.Time

	mu      sync.Mutex
	entries map[cacheKey]cached
}

const cacheSize = 10_000

func newCache(age time.Duration, now func() time.Time) *cache {
	return &cache{age: age, now: now, entries: map[cacheKey]cached{}}
}

func (c *cache) get(k cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[k]
	if !ok || c.now().Sub(e.at) > c.age {
		return nil, false
	}
	return e.value, true
}

// freshFor is how old what is cached has to be before evidence that it is wrong counts:
// it may be the evidence that is.
const freshFor = 10 * time.Second

// doubt forgets an entry that was shown to be wrong, unless it is fresh.
func (c *cache) doubt(k cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[k]; ok && c.now().Sub(e.at) > freshFor {
		delete(c.entries, k)
	}
}

func (c *cache) put(k cacheKey, v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) >= cacheSize {
		clear(c.entries)
	}
	c.entries[k] = cached{value: v, at: c.now()}
}
