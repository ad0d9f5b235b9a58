package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SlackApp is an organization's app in its Slack workspace.
type SlackApp struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	// TeamID and TeamName are the workspace's, AppID the app's there, and BotUserID
	// that of the user as whom it writes.
	TeamID    string `json:"team_id"`
	TeamName  string `json:"team_name"`
	AppID     string `json:"app_id"`
	BotUserID string `json:"bot_user_id"`
	// ChannelID is where meetings are announced by title and link; empty: nowhere.
	ChannelID   string `json:"channel_id,omitempty"`
	ChannelName string `json:"channel_name,omitempty"`
	// Problem is why Slack does not accept the app; empty if it does.
	Problem string `json:"problem,omitempty"`
	// VerifiedAt is when a click was last verified with the signing secret; nil
	// before the first: nobody else can tell whether the secret is the right one.
	VerifiedAt  *time.Time `json:"verified_at,omitempty"`
	ConnectedAt time.Time  `json:"connected_at"`

	BotToken      Secret `json:"-"`
	SigningSecret Secret `json:"-"`
}

func slackTokenPlace(organizationID uuid.UUID) string {
	return "slack_apps.sealed_bot_token:" + organizationID.String()
}

func slackSecretPlace(organizationID uuid.UUID) string {
	return "slack_apps.sealed_signing_secret:" + organizationID.String()
}

// ConnectSlack makes an app an organization's Slack app, in place of the one that it
// had. In another workspace the old messages are not there: they are forgotten.
// An app that is another organization's of this installation is a [*Refusal]:
// nobody could tell whose click comes.
func (s *Store) ConnectSlack(ctx context.Context, a SlackApp, actor Actor) error {
	if a.TeamID == "" || a.AppID == "" || strings.TrimSpace(a.BotToken.Reveal()) == "" || strings.TrimSpace(a.SigningSecret.Reveal()) == "" {
		return errors.New("connecting Slack: it needs a workspace, an app, a bot token and a signing secret")
	}
	token, err := s.vault.Seal([]byte(a.BotToken.Reveal()), slackTokenPlace(a.OrganizationID))
	if err != nil {
		return fmt.Errorf("connecting Slack: %w", err)
	}
	secret, err := s.vault.Seal([]byte(a.SigningSecret.Reveal()), slackSecretPlace(a.OrganizationID))
	if err != nil {
		return fmt.Errorf("connecting Slack: %w", err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			delete from slack_messages where organization_id = $1
			  and not exists (select from slack_apps where organization_id = $1 and team_id = $2)`, a.OrganizationID, a.TeamID); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			insert into slack_apps (organization_id, team_id, team_name, app_id, bot_user_id, sealed_bot_token, sealed_signing_secret)
			values ($1, $2, $3, $4, $5, $6, $7)
			on conflict (organization_id) do update set team_id = $2, team_name = $3, app_id = $4, bot_user_id = $5,
			  sealed_bot_token = $6, sealed_signing_secret = $7, problem = '', paused_until = now(), verified_at = null, connected_at = now(),
			  -- A channel's ID means nothing in another workspace.
			  channel_id = case when slack_apps.team_id = $2 then slack_apps.channel_id else '' end,
			  channel_name = case when slack_apps.team_id = $2 then slack_apps.channel_name else '' end`,
			a.OrganizationID, a.TeamID, a.TeamName, a.AppID, a.BotUserID, token, secret); err != nil {
			return err
		}
		return s.auditSlack(ctx, tx, a.OrganizationID, actor, fmt.Sprintf("app %s of workspace %s connected", a.AppID, a.TeamID))
	})
	if isUniqueViolation(err) {
		return refuse("another organization of this installation has this Slack app already: make an app of its own for each")
	}
	if err != nil {
		return fmt.Errorf("connecting Slack: %w", err)
	}
	return nil
}

func (s *Store) auditSlack(ctx context.Context, q querier, organizationID uuid.UUID, actor Actor, what string) error {
	return s.audit(ctx, q, AuditEntry{OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, Reason: "Slack: " + what})
}

const selectSlackApp = `
	select organization_id, team_id, team_name, app_id, bot_user_id, channel_id, channel_name, problem, verified_at, connected_at,
	       sealed_bot_token, sealed_signing_secret
	from slack_apps`

func (s *Store) scanSlackApp(row pgx.Row) (SlackApp, error) {
	var a SlackApp
	var token, secret []byte
	err := row.Scan(&a.OrganizationID, &a.TeamID, &a.TeamName, &a.AppID, &a.BotUserID, &a.ChannelID, &a.ChannelName, &a.Problem,
		&a.VerifiedAt, &a.ConnectedAt, &token, &secret)
	if err != nil {
		return SlackApp{}, notFound(err, "reading the Slack app")
	}
	plain, err := s.vault.Open(token, slackTokenPlace(a.OrganizationID))
	if err != nil {
		return SlackApp{}, fmt.Errorf("opening the Slack token of organization %s: %w", a.OrganizationID, err)
	}
	a.BotToken = Secret(plain)
	if plain, err = s.vault.Open(secret, slackSecretPlace(a.OrganizationID)); err != nil {
		return SlackApp{}, fmt.Errorf("opening the Slack signing secret of organization %s: %w", a.OrganizationID, err)
	}
	a.SigningSecret = Secret(plain)
	return a, nil
}

// SlackApp returns an organization's Slack app with its secrets, or
// [ErrNotFound].
func (s *Store) SlackApp(ctx context.Context, organizationID uuid.UUID) (SlackApp, error) {
	return s.scanSlackApp(s.pool.QueryRow(ctx, selectSlackApp+` where organization_id = $1`, organizationID))
}

// SlackAppIn returns the app with that ID in that workspace, whoever's it is,
// or [ErrNotFound].
func (s *Store) SlackAppIn(ctx context.Context, teamID, appID string) (SlackApp, error) {
	return s.scanSlackApp(s.pool.QueryRow(ctx, selectSlackApp+` where team_id = $1 and app_id = $2`, teamID, appID))
}

// DisconnectSlack forgets an organization's Slack app and its secrets. What was
// posted stays as it is, and nothing in it works any more.
func (s *Store) DisconnectSlack(ctx context.Context, organizationID uuid.UUID, actor Actor) error {
	return s.changeSlack(ctx, organizationID, actor, "app disconnected", `delete from slack_apps where organization_id = $1`, organizationID)
}

// SetSlackChannel says where an organization's meetings are announced by title
// and link; an empty ID: nowhere.
func (s *Store) SetSlackChannel(ctx context.Context, organizationID uuid.UUID, id, name string, actor Actor) error {
	what := "channel set to " + id
	if id == "" {
		what = "channel removed"
	}
	return s.changeSlack(ctx, organizationID, actor, what, `update slack_apps set channel_id = $2, channel_name = $3 where organization_id = $1`, organizationID, id, name)
}

func (s *Store) changeSlack(ctx context.Context, organizationID uuid.UUID, actor Actor, what, sql string, args ...any) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return s.auditSlack(ctx, tx, organizationID, actor, what)
	})
	if err != nil {
		return fmt.Errorf("changing the Slack app of organization %s: %w", organizationID, err)
	}
	return nil
}

// SlackRefused records that Slack does not accept an organization's app, and has
// its admins told, once until it is connected again. From then on its people are
// told by mail. The reason is for people, and names nobody.
func (s *Store) SlackRefused(ctx context.Context, a SlackApp, reason string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update slack_apps set problem = $3 where organization_id = $1 and connected_at = $2 and problem = ''`,
			a.OrganizationID, a.ConnectedAt, reason)
		if err != nil || tag.RowsAffected() == 0 {
			return err // somebody connected it anew, or recorded it already
		}
		if err := s.auditSlack(ctx, tx, a.OrganizationID, Actor{Name: "slack"}, "refused by Slack: "+reason); err != nil {
			return err
		}
		return queueNotice(ctx, tx, Notice{
			OrganizationID: a.OrganizationID, Kind: NoticeSlackRefused,
			DedupeKey: fmt.Sprintf("%s:%d", NoticeSlackRefused, a.ConnectedAt.UnixMicro()),
		})
	})
	if err != nil {
		return fmt.Errorf("recording that Slack refuses the app of organization %s: %w", a.OrganizationID, err)
	}
	return nil
}

// PauseSlack lets no process edit an organization's messages for that long: Slack
// asked for it.
func (s *Store) PauseSlack(ctx context.Context, organizationID uuid.UUID, d time.Duration) error {
	_, err := s.pool.Exec(ctx, `update slack_apps set paused_until = greatest(paused_until, now() + $2::interval) where organization_id = $1`, organizationID, d)
	if err != nil {
		return fmt.Errorf("leaving Slack alone for a while: %w", err)
	}
	return nil
}

// SlackVerified records that a click was verified with the signing secret.
func (s *Store) SlackVerified(ctx context.Context, organizationID uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		update slack_apps set verified_at = now()
		where organization_id = $1 and (verified_at is null or verified_at < now() - interval '1 hour')`, organizationID)
	if err != nil {
		return fmt.Errorf("recording a verified click: %w", err)
	}
	return nil
}

// PersonBySlackUser returns who of an organization is that Slack user, or
// [ErrNotFound].
func (s *Store) PersonBySlackUser(ctx context.Context, organizationID uuid.UUID, user string) (Person, error) {
	id, err := findByIdentity(ctx, s.pool, organizationID, Identity{Kind: IdentitySlackUser, Value: user})
	if err != nil {
		return Person{}, err
	}
	return s.Person(ctx, organizationID, id)
}

// SlackMessage is the one message about a meeting that a person, or the channel,
// gets.
type SlackMessage struct {
	// ID is the marker in the message itself.
	ID             uuid.UUID
	OrganizationID uuid.UUID
	MeetingID      uuid.UUID
	// PersonID is nil for the message in the channel.
	PersonID *uuid.UUID
	// ChannelID and TS name it in Slack; empty before it is known to be posted.
	ChannelID, TS string
	// PostingSince is when it was last sent without an answer that says what became
	// of it; nil if there is no such doubt.
	PostingSince *time.Time
	// ShownHash is of what it shows.
	ShownHash []byte
	// Closed is why nobody edits it any more; empty while it is.
	Closed string
	// CreatedAt is when it was first claimed.
	CreatedAt time.Time

	changes, claim int64
}

// SlackLease is how long a claimed message is left to whoever claimed it. It is
// longer than any request to Slack lasts, so that after it what was sent has
// arrived or will not.
const SlackLease = time.Minute

const slackMessageColumns = `m.id, m.organization_id, m.meeting_id, m.person_id, m.channel_id, m.ts, m.posting_since, m.shown_hash, m.closed, m.created_at, m.changes, m.claims`

func scanSlackMessage(row pgx.CollectableRow) (SlackMessage, error) {
	var m SlackMessage
	err := row.Scan(&m.ID, &m.OrganizationID, &m.MeetingID, &m.PersonID, &m.ChannelID, &m.TS, &m.PostingSince, &m.ShownHash, &m.Closed, &m.CreatedAt, &m.changes, &m.claim)
	return m, err
}

// ClaimSlackMessage takes the message about a meeting for a person, or with nil
// the one for the channel; there is one from the first time on. It is
// [ErrNotFound] while somebody else has it. The claim lasts for [SlackLease].
func (s *Store) ClaimSlackMessage(ctx context.Context, organizationID, meetingID uuid.UUID, personID *uuid.UUID) (SlackMessage, error) {
	const doing = "claiming the Slack message about meeting"
	_, err := s.pool.Exec(ctx, `
		insert into slack_messages (id, organization_id, meeting_id, person_id)
		select $1, m.organization_id, m.id, $4 from meetings m where m.organization_id = $2 and m.id = $3
		on conflict do nothing`, newID(), organizationID, meetingID, personID)
	if err != nil {
		return SlackMessage{}, fmt.Errorf("%s %s: %w", doing, meetingID, err)
	}
	claimed, err := s.claimSlackMessages(ctx, `
		select id from slack_messages where organization_id = $2 and meeting_id = $3 and person_id is not distinct from $4::uuid and claimed_until <= now()
		for update skip locked`, organizationID, meetingID, personID)
	if err != nil {
		return SlackMessage{}, err
	}
	if len(claimed) == 0 {
		return SlackMessage{}, fmt.Errorf("%s %s: %w", doing, meetingID, ErrNotFound)
	}
	return claimed[0], nil
}

// ClaimSlackMessages takes up to limit messages that show less than their card
// does by now, the longest waiting first. Claims of several processes never
// overlap.
func (s *Store) ClaimSlackMessages(ctx context.Context, limit int) ([]SlackMessage, error) {
	return s.claimSlackMessages(ctx, `
		select m.id from slack_messages m join slack_apps a on a.organization_id = m.organization_id
		where m.changes > m.shown_changes and m.ts <> '' and m.closed = '' and m.claimed_until <= now()
		  and a.problem = '' and a.paused_until <= now()
		order by m.claimed_until limit $2 for update of m skip locked`, limit)
}

func (s *Store) claimSlackMessages(ctx context.Context, due string, args ...any) ([]SlackMessage, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (`+due+`)
		update slack_messages m set claims = m.claims + 1, claimed_until = now() + $1::interval
		from due where m.id = due.id
		returning `+slackMessageColumns, append([]any{SlackLease}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("claiming Slack messages: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, scanSlackMessage)
	if err != nil {
		return nil, fmt.Errorf("claiming Slack messages: %w", err)
	}
	return claimed, nil
}

// settleSlackMessage changes a message that m claimed. Whoever lost the claim
// meanwhile changes nothing.
func (s *Store) settleSlackMessage(ctx context.Context, m SlackMessage, set string, args ...any) error {
	_, err := s.pool.Exec(ctx, `update slack_messages set `+set+` where id = $1 and claims = $2`, append([]any{m.ID, m.claim}, args...)...)
	if err != nil {
		return fmt.Errorf("recording what became of Slack message %s: %w", m.ID, err)
	}
	return nil
}

// SlackMessagePosting records that a claimed message is about to be sent to a
// conversation. It comes before the sending: whoever finds it so later looks
// before sending again.
func (s *Store) SlackMessagePosting(ctx context.Context, m SlackMessage, channelID string) error {
	return s.settleSlackMessage(ctx, m, `posting_since = now(), channel_id = $3`, channelID)
}

// SlackMessageShown ends a claim: the message is there and shows what the card
// was when it was claimed.
func (s *Store) SlackMessageShown(ctx context.Context, m SlackMessage, channelID, ts string, shownHash []byte) error {
	return s.settleSlackMessage(ctx, m, `
		channel_id = $3, ts = $4, shown_hash = $5, posting_since = null, shown_changes = greatest(shown_changes, $6), claimed_until = now()`,
		channelID, ts, shownHash, m.changes)
}

// SlackMessageFailed ends a claim without success: Slack did not take it. It may
// be claimed again after that time. Where nobody knows whether Slack took it, the
// claim is left to end by itself, so that whoever looks then can be sure.
func (s *Store) SlackMessageFailed(ctx context.Context, m SlackMessage, after time.Duration) error {
	return s.settleSlackMessage(ctx, m, `posting_since = null, claimed_until = now() + $3::interval`, after)
}

// CloseSlackMessage ends a claim for good: nobody edits it any more. The reason
// is for people, and names nobody.
func (s *Store) CloseSlackMessage(ctx context.Context, m SlackMessage, reason string) error {
	return s.settleSlackMessage(ctx, m, `closed = $3, posting_since = null`, reason)
}

// LinkSlackUser says that a person is a Slack user, as Slack has it by e-mail
// address. A Slack user who is somebody else's here is a [*Refusal].
func (s *Store) LinkSlackUser(ctx context.Context, organizationID, personID uuid.UUID, user string) error {
	return s.AddIdentity(ctx, organizationID, personID, Identity{Kind: IdentitySlackUser, Value: user}, Actor{Name: "slack"})
}
