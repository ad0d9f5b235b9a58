package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NoticeKind is what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	// NoticeReconnect: HubSpot refuses a connection for good.
	NoticeReconnect NoticeKind = "connection.needs_reconnect"
	// NoticeUninstalled: the app was removed from a HubSpot account.
	NoticeUninstalled NoticeKind = "connection.uninstalled"
	// NoticeMisconfigured: HubSpot does not accept an app. It is the admins'.
	NoticeMisconfigured NoticeKind = "app.misconfigured"
	// NoticeStandIn: a person was deactivated, and somebody takes over.
	NoticeStandIn NoticeKind = "person.deactivated"
	// NoticeSlackRefused: Slack does not accept the organization's app. It is the
	// admins'.
	NoticeSlackRefused NoticeKind = "slack.refused"
	// NoticeSourceRefused: a platform does not accept a source's API credentials. It
	// is the admins'.
	NoticeSourceRefused NoticeKind = "source.refused"
	// NoticeAsked: there are questions about a meeting. NoticeReminder: they still
	// wait. NoticeEscalated: they wait, and come to somebody else.
	NoticeAsked     NoticeKind = "approval.asked"
	NoticeReminder  NoticeKind = "approval.reminder"
	NoticeEscalated NoticeKind = "approval.escalated"
	// NoticeDigest: what waits for somebody who is told once a day.
	NoticeDigest NoticeKind = "approval.digest"
	// NoticeChannel: a meeting with questions is named where the organization wants
	// that.
	NoticeChannel NoticeKind = "approval.channel"
	// NoticeTest is a mail that somebody sent to see whether mail works. It is
	// never queued.
	NoticeTest NoticeKind = "test"
)

// IsApproval says whether it is about questions.
func (k NoticeKind) IsApproval() bool { return strings.HasPrefix(string(k), "approval.") }

// NoticeState is what became of a notice.
type NoticeState string

// The states of a notice.
const (
	NoticeQueued NoticeState = "queued"
	NoticeSent   NoticeState = "sent"
	// NoticeFailed: it could not be delivered, and nobody tries any more.
	NoticeFailed NoticeState = "failed"
	// NoticeDropped: it was not sent, on purpose.
	NoticeDropped NoticeState = "dropped"
)

// NoticeAbout are the IDs of what a notice is about.
type NoticeAbout struct {
	ConnectionID *uuid.UUID `json:"connection_id,omitempty"`
	AppID        *uuid.UUID `json:"app_id,omitempty"`
	PersonID     *uuid.UUID `json:"person_id,omitempty"`
	SourceID     *uuid.UUID `json:"source_id,omitempty"`
	BriefingID   *uuid.UUID `json:"briefing_id,omitempty"`
	// MeetingIDs has one meeting, and of a digest all that it is about.
	MeetingIDs []uuid.UUID `json:"meeting_ids,omitempty"`
}

// Notice is what one person has to be told.
type Notice struct {
	ID             uuid.UUID  `json:"id"`
	OrganizationID uuid.UUID  `json:"organization_id"`
	Kind           NoticeKind `json:"kind"`
	DedupeKey      string     `json:"dedupe_key"`
	// ConcernsID is whose business it is; nil for the admins'.
	ConcernsID *uuid.UUID `json:"concerns_id,omitempty"`
	// PersonID is who is told; nil if there is nobody.
	PersonID  *uuid.UUID  `json:"person_id,omitempty"`
	About     NoticeAbout `json:"about"`
	State     NoticeState `json:"state"`
	Reason    string      `json:"reason,omitempty"`
	Attempts  int         `json:"attempts"`
	NextAt    time.Time   `json:"next_at"`
	CreatedAt time.Time   `json:"created_at"`
	SettledAt *time.Time  `json:"settled_at,omitempty"`
	// Progress is that of one that briefs somebody.
	Progress NoticeProgress `json:"progress,omitzero"`
}

const noticeColumns = `
	n.id, n.organization_id, n.kind, n.dedupe_key, n.concerns_id, n.person_id, n.about, n.state, n.reason, n.attempts,
	n.next_attempt_at, n.created_at, n.settled_at, n.progress`

func scanNotice(row pgx.CollectableRow) (Notice, error) {
	var n Notice
	var about, progress []byte
	err := row.Scan(&n.ID, &n.OrganizationID, &n.Kind, &n.DedupeKey, &n.ConcernsID, &n.PersonID, &about, &n.State, &n.Reason,
		&n.Attempts, &n.NextAt, &n.CreatedAt, &n.SettledAt, &progress)
	if err != nil {
		return Notice{}, err
	}
	if err := json.Unmarshal(about, &n.About); err != nil {
		return Notice{}, fmt.Errorf("decoding what notice %s is about: %w", n.ID, err)
	}
	if progress != nil {
		if err := json.Unmarshal(progress, &n.Progress); err != nil {
			return Notice{}, fmt.Errorf("decoding how far notice %s has come: %w", n.ID, err)
		}
	}
	return n, nil
}

// queueNotice has somebody told of something, if the transaction commits: the
// person whose business it is (n.ConcernsID), or who answers for a person that
// left; without one, and where none of them has an address in the organization's
// domains, its admins. Who was told under the same key is not told again. Where
// there is nobody to tell, that is kept as a notice that was dropped.
func queueNotice(ctx context.Context, q querier, n Notice) error {
	about, err := json.Marshal(n.About)
	if err != nil {
		return fmt.Errorf("encoding what a notice is about: %w", err)
	}
	_, err = q.Exec(ctx, `
		with domains as (
		  select domains from organizations where id = $1),
		reachable as (
		  select p.id, p.role from people p
		  where p.organization_id = $1 and p.deactivated_at is null and exists (
		    select from person_identities i, domains d
		    where i.organization_id = $1 and i.person_id = p.id and i.kind = 'email' and split_part(i.value, '@', 2) = any(d.domains))),
		responsible as (
		  select r.responsible_id as id from people p
		  join responsible_people r on r.organization_id = $1 and r.person_id = coalesce(p.merged_into, p.id)
		  where p.organization_id = $1 and p.id = $4 and r.responsible_id in (select id from reachable)),
		recipients as (
		  select id from responsible
		  union
		  select id from reachable where role = 'admin' and not exists (select from responsible))
		insert into notices (id, organization_id, kind, dedupe_key, concerns_id, person_id, about, state, reason, settled_at)
		select gen_random_uuid(), $1, $2, $3, $4, id, $5::jsonb, 'queued', '', null from recipients
		union all
		select gen_random_uuid(), $1, $2, $3, $4::uuid, null, $5::jsonb, 'dropped',
		       'nobody could be told: the organization has no admin with an e-mail address in its domains', now()
		where not exists (select from recipients)
		on conflict do nothing`, n.OrganizationID, n.Kind, n.DedupeKey, n.ConcernsID, about)
	if err != nil {
		return fmt.Errorf("queueing a notice (%s): %w", n.Kind, err)
	}
	return nil
}

// queueConnectionNotice has the right person told that a connection changed to a
// state that somebody has to do something about: who granted it, or who answers
// for that person; of an app that HubSpot does not accept the admins, once a day
// however many connections it has. Other states tell nobody.
func queueConnectionNotice(ctx context.Context, q querier, c Connection, state ConnectionState) error {
	n := Notice{OrganizationID: c.OrganizationID, ConcernsID: c.PersonID, About: NoticeAbout{ConnectionID: &c.ID}}
	switch {
	case state == NeedsReconnect, state == Misconfigured && c.AppID == uuid.Nil:
		n.Kind = NoticeReconnect
	case state == Uninstalled && c.State != Revoked: // else it was done here
		n.Kind = NoticeUninstalled
	case state == Misconfigured:
		appID := c.AppID
		n.Kind, n.ConcernsID, n.About = NoticeMisconfigured, nil, NoticeAbout{AppID: &appID}
		n.DedupeKey = fmt.Sprintf("%s:%s:%s", n.Kind, appID, time.Now().UTC().Format(time.DateOnly))
		return queueNotice(ctx, q, n)
	default:
		return nil
	}
	// A token's version grows when it is connected again: then this is another thing.
	n.DedupeKey = fmt.Sprintf("%s:%s:%d", n.Kind, c.ID, c.TokenVersion)
	return queueNotice(ctx, q, n)
}

// queueStandInNotice has whoever answers for a person told that the person was
// deactivated. It is called after that, in the same transaction.
func queueStandInNotice(ctx context.Context, q querier, organizationID, personID uuid.UUID) error {
	var since *time.Time
	err := q.QueryRow(ctx, `select deactivated_at from people where organization_id = $1 and id = $2`, organizationID, personID).Scan(&since)
	if err := notFound(err, fmt.Sprintf("reading person %s", personID)); err != nil {
		return err
	}
	if since == nil {
		return nil
	}
	return queueNotice(ctx, q, Notice{
		OrganizationID: organizationID, Kind: NoticeStandIn, ConcernsID: &personID, About: NoticeAbout{PersonID: &personID},
		DedupeKey: fmt.Sprintf("%s:%s:%d", NoticeStandIn, personID, since.Unix()),
	})
}

// queueApprovalNotice has those who may answer the questions about a meeting told
// of them, if the transaction commits: once for each key. Whom that is, is found
// when its turn comes: see [Store.SpreadNotice].
func (s *Store) queueApprovalNotice(ctx context.Context, q querier, organizationID, meetingID uuid.UUID, kind NoticeKind, key string) error {
	about, err := json.Marshal(NoticeAbout{MeetingIDs: []uuid.UUID{meetingID}})
	if err != nil {
		return fmt.Errorf("encoding what a notice is about: %w", err)
	}
	_, err = q.Exec(ctx, `
		insert into notices (id, organization_id, kind, dedupe_key, about) values ($1, $2, $3, $4, $5)
		on conflict do nothing`, newID(), organizationID, kind, string(kind)+":"+key, about)
	if err != nil {
		return fmt.Errorf("queueing a notice (%s): %w", kind, err)
	}
	return nil
}

// SpreadNotice makes a claimed notice that names nobody one for each of these
// people, and for the channel where the organization has one. Who was told under
// the same key is not told again, and a channel once about a meeting.
func (s *Store) SpreadNotice(ctx context.Context, n Notice, people []uuid.UUID) error {
	about, err := json.Marshal(n.About)
	if err != nil {
		return fmt.Errorf("encoding what a notice is about: %w", err)
	}
	var channelKey strings.Builder
	channelKey.WriteString(string(NoticeChannel))
	for _, id := range n.About.MeetingIDs {
		channelKey.WriteString(":" + id.String())
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into notices (id, organization_id, kind, dedupe_key, concerns_id, person_id, about)
			select gen_random_uuid(), $1::uuid, $2::text, $3::text, id, id, $4::jsonb from unnest($5::uuid[]) id
			union all
			select gen_random_uuid(), $1, $6::text, $7::text, null, null, $4::jsonb from slack_apps where organization_id = $1 and channel_id <> ''
			on conflict do nothing`, n.OrganizationID, n.Kind, n.DedupeKey, about, people, NoticeChannel, channelKey.String())
		if err != nil {
			return fmt.Errorf("telling each of those who may answer: %w", err)
		}
		if len(people) == 0 {
			return s.settleNotice(ctx, tx, n, `state = 'dropped', reason = $3, settled_at = now()`, "there is nobody who may answer")
		}
		_, err = tx.Exec(ctx, `delete from notices where id = $1 and attempts = $2 and state = 'queued'`, n.ID, n.Attempts)
		if err != nil {
			return fmt.Errorf("settling notice %s: %w", n.ID, err)
		}
		return nil
	})
}

// PutInDigest settles a claimed notice by what its recipient is told then, along
// with the rest.
func (s *Store) PutInDigest(ctx context.Context, n Notice, at time.Time) error {
	if n.PersonID == nil {
		return fmt.Errorf("notice %s is nobody's", n.ID)
	}
	about, err := json.Marshal(n.About)
	if err != nil {
		return fmt.Errorf("encoding what a notice is about: %w", err)
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		for key := at.UTC(); ; key = key.Add(24 * time.Hour) {
			// One that is being sent takes nothing more up: then it is the next day's.
			tag, err := tx.Exec(ctx, `
				insert into notices (id, organization_id, kind, dedupe_key, concerns_id, person_id, about, next_attempt_at)
				values ($1, $2, $3, $4, $5, $5, $6, $7)
				on conflict (organization_id, dedupe_key, person_id) do update
				set about = jsonb_set(notices.about, '{meeting_ids}', notices.about->'meeting_ids' || ($6::jsonb->'meeting_ids'))
				where notices.state = 'queued' and notices.attempts = 0`,
				newID(), n.OrganizationID, NoticeDigest, fmt.Sprintf("%s:%s", NoticeDigest, key.Format(time.RFC3339)), n.PersonID, about, key)
			if err != nil {
				return fmt.Errorf("putting a notice into a digest: %w", err)
			}
			if tag.RowsAffected() > 0 {
				return s.settleNotice(ctx, tx, n, `state = 'dropped', reason = $3, settled_at = now()`, "told in the digest of "+key.Format(time.RFC3339))
			}
		}
	})
}

// NoticeLease is how long a claimed notice is left to whoever claimed it.
const NoticeLease = 2 * time.Minute

// ClaimNotices takes up to limit notices that are due, the longest due first;
// with approvalsOnly, those about questions. Those that brief somebody are not among
// them: see [Store.ClaimBriefingNotices]. A claim lasts for [NoticeLease]: who has not
// settled it by then, or died, loses it to the next. Claims of several processes never
// overlap.
func (s *Store) ClaimNotices(ctx context.Context, limit int, approvalsOnly bool) ([]Notice, error) {
	if approvalsOnly {
		return s.claimNotices(ctx, `kind like 'approval.%'`, limit)
	}
	return s.claimNotices(ctx, `kind not like 'briefing.%'`, limit)
}

// settleNotice changes a notice that n claimed. Whoever lost the claim meanwhile
// changes nothing.
func (s *Store) settleNotice(ctx context.Context, q querier, n Notice, set string, args ...any) error {
	_, err := q.Exec(ctx, `update notices set `+set+` where id = $1 and attempts = $2 and state = 'queued'`,
		append([]any{n.ID, n.Attempts}, args...)...)
	if err != nil {
		return fmt.Errorf("settling notice %s: %w", n.ID, err)
	}
	return nil
}

// NoticeWasSent settles a claimed notice that the mail server has taken over.
func (s *Store) NoticeWasSent(ctx context.Context, n Notice) error {
	return s.settleNotice(ctx, s.pool, n, `state = 'sent', reason = '', settled_at = now()`)
}

// FailNotice settles a claimed notice that can't be delivered. The reason is for
// people, and names nobody.
func (s *Store) FailNotice(ctx context.Context, n Notice, reason string) error {
	return s.settleNotice(ctx, s.pool, n, `state = 'failed', reason = $3, settled_at = now()`, reason)
}

// DropNotice settles a claimed notice that need not be delivered any more.
func (s *Store) DropNotice(ctx context.Context, n Notice, reason string) error {
	return s.settleNotice(ctx, s.pool, n, `state = 'dropped', reason = $3, settled_at = now()`, reason)
}

// RetryNotice puts a claimed notice back that could not be sent: it is due again
// after one minute, then two, four and so on, two hours at most, and not before
// atLeast is over. A day after the first try it has failed.
func (s *Store) RetryNotice(ctx context.Context, n Notice, reason string, atLeast time.Duration) error {
	return s.settleNotice(ctx, s.pool, n, `
		state = case when first_attempt_at <= now() - interval '1 day' then 'failed' else 'queued' end,
		settled_at = case when first_attempt_at <= now() - interval '1 day' then now() end,
		reason = case when first_attempt_at <= now() - interval '1 day' then 'given up after a day: ' else '' end || $3,
		next_attempt_at = now() + greatest($4::interval, least(interval '2 hours', interval '1 minute' * 2 ^ least(attempts - 1, 10)))`, reason, atLeast)
}

// ReturnNotice puts a claimed notice back that nobody tried to send, as if it
// had not been claimed: it is due again then, and not before ten seconds are over.
func (s *Store) ReturnNotice(ctx context.Context, n Notice, due time.Time) error {
	return s.settleNotice(ctx, s.pool, n, `
		attempts = greatest(attempts - 1, 0), next_attempt_at = greatest(now() + interval '10 seconds', $3),
		first_attempt_at = case when attempts > 1 then first_attempt_at end`, due)
}

// PassNoticeOn settles a claimed notice whose recipient can't be told any more,
// and queues it for whoever answers for it now. One transaction.
func (s *Store) PassNoticeOn(ctx context.Context, n Notice, reason string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		if err := s.settleNotice(ctx, tx, n, `state = 'dropped', reason = $3, settled_at = now()`, reason); err != nil {
			return err
		}
		return queueNotice(ctx, tx, n)
	})
}

// Addressee is who a notice is sent to.
type Addressee struct {
	Name string
	// Email is an address in one of Domains, which are the organization's own.
	Email    string
	Domains  []string
	Language string
	// SlackUsers are the names under which Slack knows the person.
	SlackUsers []string
	// Notify is how the person wants to be told, filled up with what the
	// organization says.
	Notify NotifySettings
}

// Addressee returns a person's address for notices: the first one, by the
// alphabet, in the organization's own domains. It is [ErrNotFound] where there is
// none, or the person is deactivated.
func (s *Store) Addressee(ctx context.Context, organizationID, personID uuid.UUID) (Addressee, error) {
	var a Addressee
	var own, settings []byte
	err := s.pool.QueryRow(ctx, `
		select p.name, i.value, o.domains, p.language, p.notify, o.settings,
		       array(select value from person_identities s where s.organization_id = p.organization_id and s.person_id = p.id and s.kind = 'slack_user' order by value)
		from people p
		join organizations o on o.id = p.organization_id
		join person_identities i on i.organization_id = p.organization_id and i.person_id = p.id and i.kind = 'email'
		where p.organization_id = $1 and p.id = $2 and p.deactivated_at is null and split_part(i.value, '@', 2) = any(o.domains)
		order by i.value limit 1`, organizationID, personID).Scan(&a.Name, &a.Email, &a.Domains, &a.Language, &own, &settings, &a.SlackUsers)
	if err := notFound(err, fmt.Sprintf("reading the address of person %s", personID)); err != nil {
		return Addressee{}, err
	}
	var of Settings
	if err := json.Unmarshal(settings, &of); err != nil {
		return Addressee{}, fmt.Errorf("decoding the settings of organization %s: %w", organizationID, err)
	}
	if err := json.Unmarshal(own, &a.Notify); err != nil {
		return Addressee{}, fmt.Errorf("decoding how person %s wants to be told: %w", personID, err)
	}
	a.Notify = a.Notify.or(of.Notify)
	return a, nil
}

// SetLanguage sets the language of what the person with that e-mail address is
// told: en or de.
func (s *Store) SetLanguage(ctx context.Context, organizationID uuid.UUID, email, language string) error {
	tag, err := s.pool.Exec(ctx, `
		update people p set language = $3 from person_identities i
		where p.organization_id = $1 and i.organization_id = $1 and i.person_id = p.id and i.kind = 'email' and i.value = $2`,
		organizationID, strings.ToLower(strings.TrimSpace(email)), language)
	if err != nil {
		return fmt.Errorf("setting a person's language: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("setting a person's language: %w", ErrNotFound)
	}
	return nil
}

// Notices lists an organization's notices, newest first; with a state, those in
// it.
func (s *Store) Notices(ctx context.Context, organizationID uuid.UUID, state NoticeState, limit int) ([]Notice, error) {
	rows, err := s.pool.Query(ctx, `
		select `+noticeColumns+` from notices n where n.organization_id = $1 and ($2 = '' or n.state = $2)
		order by n.created_at desc, n.id limit $3`, organizationID, string(state), limit)
	if err != nil {
		return nil, fmt.Errorf("listing notices: %w", err)
	}
	notices, err := pgx.CollectRows(rows, scanNotice)
	if err != nil {
		return nil, fmt.Errorf("listing notices: %w", err)
	}
	return notices, nil
}

// RetryNotices has an organization's failed notices, and those that wait for the
// next try, tried at once and for a day from then; with an ID, that one alone. It
// returns how many. One that found nobody to tell looks for somebody again.
func (s *Store) RetryNotices(ctx context.Context, organizationID uuid.UUID, id *uuid.UUID) (int, error) {
	var n int
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			delete from notices n where n.organization_id = $1 and ($2::uuid is null or n.id = $2) and n.person_id is null
			  and n.kind not like 'approval.%'
			returning `+noticeColumns, organizationID, id)
		if err != nil {
			return err
		}
		nobody, err := pgx.CollectRows(rows, scanNotice)
		if err != nil {
			return err
		}
		for _, notice := range nobody {
			if err := queueNotice(ctx, tx, notice); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `
			update notices set state = 'queued', reason = '', attempts = 0, first_attempt_at = null, next_attempt_at = now(), settled_at = null
			where organization_id = $1 and ($2::uuid is null or id = $2) and (person_id is not null or kind like 'approval.%')
			  -- One that waits for longer than a claim lasts is in nobody's hands. One
			  -- that found nobody who may answer looks again.
			  and (state = 'failed' or (state = 'queued' and next_attempt_at > now() + $3::interval) or (state = 'dropped' and person_id is null))`, organizationID, id, NoticeLease)
		n = len(nobody) + int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("trying notices again: %w", err)
	}
	return n, nil
}
