package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/vault"
)

// ErrErased is reported when what is asked for was sealed with a data key that
// has been deleted: its words are gone for good.
var ErrErased = errors.New("its words were erased")

// keyCache keeps unwrapped data keys, and whose they are. It forgets everything
// when it is full, which costs one read a key and keeps it trivial.
type keyCache struct {
	mu   sync.Mutex
	keys map[uuid.UUID]cachedKey
	// owners are the keys of meetings and of this installation (uuid.Nil).
	owners map[uuid.UUID]uuid.UUID
}

type cachedKey struct {
	key   *vault.DataKey
	until time.Time
}

const (
	keyCacheSize = 10_000
	// keyCacheTTL bounds how long another process can still open what was
	// erased here.
	keyCacheTTL = 5 * time.Minute
)

func newKeyCache() *keyCache {
	return &keyCache{keys: map[uuid.UUID]cachedKey{}, owners: map[uuid.UUID]uuid.UUID{}}
}

func (c *keyCache) get(id uuid.UUID) *vault.DataKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.keys[id]; time.Now().Before(k.until) {
		return k.key
	}
	return nil
}

func (c *keyCache) put(id uuid.UUID, k *vault.DataKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) >= keyCacheSize {
		clear(c.keys)
	}
	c.keys[id] = cachedKey{key: k, until: time.Now().Add(keyCacheTTL)}
}

func (c *keyCache) owner(id uuid.UUID) (uuid.UUID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, known := c.owners[id]
	return key, known
}

func (c *keyCache) setOwner(id, key uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.owners) >= keyCacheSize {
		clear(c.owners)
	}
	c.owners[id] = key
}

func (c *keyCache) drop(id uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, id)
}

func dataKeyPlace(id uuid.UUID) string { return "data_keys.wrapped:" + id.String() }

// newDataKey makes a data key and stores it wrapped.
func (s *Store) newDataKey(ctx context.Context, q querier) (uuid.UUID, error) {
	k, err := vault.NewDataKey()
	if err != nil {
		return uuid.Nil, err
	}
	id := newID()
	wrapped, err := s.vault.Wrap(k, dataKeyPlace(id))
	if err != nil {
		return uuid.Nil, err
	}
	if _, err := q.Exec(ctx, `insert into data_keys (id, wrapped) values ($1, $2)`, id, wrapped); err != nil {
		return uuid.Nil, fmt.Errorf("storing a data key: %w", err)
	}
	// Not cached: the transaction may yet be rolled back.
	return id, nil
}

// dataKey returns the key with that ID, or [ErrErased] if it is gone. A nil id
// stands for a key that was deleted.
func (s *Store) dataKey(ctx context.Context, q querier, id *uuid.UUID) (*vault.DataKey, error) {
	if id == nil || *id == uuid.Nil {
		return nil, ErrErased
	}
	if k := s.keys.get(*id); k != nil {
		return k, nil
	}
	var wrapped []byte
	err := q.QueryRow(ctx, `select wrapped from data_keys where id = $1`, *id).Scan(&wrapped)
	if err := notFound(err, "reading a data key"); err != nil {
		if errors.Is(err, ErrNotFound) {
			return nil, ErrErased
		}
		return nil, err
	}
	k, err := s.vault.Unwrap(wrapped, dataKeyPlace(*id))
	if err != nil {
		return nil, fmt.Errorf("opening data key %s: %w", *id, err)
	}
	s.keys.put(*id, k)
	return k, nil
}

// DataKey returns the key with that ID, or [ErrErased] if it was deleted.
func (s *Store) DataKey(ctx context.Context, id uuid.UUID) (*vault.DataKey, error) {
	return s.dataKey(ctx, s.pool, &id)
}

// DataKeyForMeeting returns a meeting's key and its ID, [ErrErased] if the key
// was deleted, or [ErrNotFound] if there is no such meeting.
func (s *Store) DataKeyForMeeting(ctx context.Context, meetingID uuid.UUID) (uuid.UUID, *vault.DataKey, error) {
	return s.ownedKey(ctx, meetingID, `select data_key_id from meetings where id = $1`, meetingID)
}

// DataKeyForApproval returns the key that the question's action is sealed with.
func (s *Store) DataKeyForApproval(ctx context.Context, approvalID uuid.UUID) (uuid.UUID, *vault.DataKey, error) {
	return s.ownedKey(ctx, approvalID, `
		select a.data_key_id from approvals q join actions a on a.id = q.action_id where q.id = $1`, approvalID)
}

// InstallationKey returns the key of what belongs to no meeting. It is made when
// it is first asked for.
func (s *Store) InstallationKey(ctx context.Context) (uuid.UUID, *vault.DataKey, error) {
	const read = `select data_key_id from installation`
	id, key, err := s.ownedKey(ctx, uuid.Nil, read)
	if !errors.Is(err, ErrNotFound) {
		return id, key, err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		keyID, err := s.newDataKey(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `insert into installation (data_key_id) values ($1)`, keyID)
		return err
	})
	// Somebody else's may have been first: then ours was rolled back.
	if err != nil && !isUniqueViolation(err) {
		return uuid.Nil, nil, fmt.Errorf("making the installation's data key: %w", err)
	}
	return s.ownedKey(ctx, uuid.Nil, read)
}

// ownedKey finds an owner's key by query. Which key it is never changes but by
// being erased, and then the key itself is gone.
func (s *Store) ownedKey(ctx context.Context, owner uuid.UUID, query string, args ...any) (uuid.UUID, *vault.DataKey, error) {
	id, known := s.keys.owner(owner)
	if !known {
		var found *uuid.UUID
		if err := s.pool.QueryRow(ctx, query, args...).Scan(&found); err != nil {
			return uuid.Nil, nil, notFound(err, "looking for a data key")
		}
		if found == nil {
			return uuid.Nil, nil, ErrErased
		}
		id = *found
	}
	key, err := s.dataKey(ctx, s.pool, &id)
	if err != nil {
		return uuid.Nil, nil, err
	}
	s.keys.setOwner(owner, id)
	return id, key, nil
}

// deleteDataKey erases everything that was sealed with the key. Other processes
// may hold it in memory for keyCacheTTL.
func (s *Store) deleteDataKey(ctx context.Context, q querier, id uuid.UUID) error {
	s.keys.drop(id)
	if _, err := q.Exec(ctx, `delete from data_keys where id = $1`, id); err != nil {
		return fmt.Errorf("deleting data key %s: %w", id, err)
	}
	return nil
}

// sealJSON seals v as JSON, bound to place ("table.column:<row ID>").
func sealJSON(k *vault.DataKey, v any, place string) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", place, err)
	}
	return k.Seal(raw, place)
}

// openJSON reverses sealJSON into v. Nothing sealed leaves v as it is.
func openJSON(k *vault.DataKey, sealed []byte, v any, place string) error {
	if sealed == nil {
		return nil
	}
	raw, err := k.Open(sealed, place)
	if err != nil {
		return fmt.Errorf("opening %s: %w", place, err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("decoding %s", place)
	}
	return nil
}

// MeetingHash returns a keyed hash under the meeting's data key, as text: for
// names that must not tell whom they are about.
func (s *Store) MeetingHash(ctx context.Context, organizationID, meetingID uuid.UUID) (func(string) string, error) {
	var id *uuid.UUID
	err := s.pool.QueryRow(ctx, `select data_key_id from meetings where organization_id = $1 and id = $2`, organizationID, meetingID).Scan(&id)
	if err := notFound(err, fmt.Sprintf("reading meeting %s", meetingID)); err != nil {
		return nil, err
	}
	key, err := s.dataKey(ctx, s.pool, id)
	if err != nil {
		return nil, err
	}
	return func(text string) string { return hex.EncodeToString(key.MAC([]byte("name:" + text))[:12]) }, nil
}
