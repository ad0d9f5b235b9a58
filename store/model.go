package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Micros is an amount of money in millionths of whatever unit prices are given in.
type Micros int64

// String writes the amount in its unit.
func (m Micros) String() string {
	text := fmt.Sprintf("%d.%06d", int64(m)/1_000_000, int64(m)%1_000_000)
	text = strings.TrimRight(text, "0")
	if at := strings.IndexByte(text, '.'); len(text)-at < 3 {
		text += "00"[:3-(len(text)-at)]
	}
	return text
}

// ModelSettings are an organization's language model: which, where, and what it may
// use. Nothing is sent to it but for meetings whose sources are all switched on.
type ModelSettings struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	Kind           string    `json:"kind"` // openai or anthropic
	Endpoint       string    `json:"endpoint"`
	Name           string    `json:"name"`
	HasKey         bool      `json:"has_key"`
	Key            Secret    `json:"-"`
	// MonthlyTokens and MonthlyCost bound what is used in a month (UTC); 0: no bound.
	MonthlyTokens int64  `json:"monthly_tokens"`
	MonthlyCost   Micros `json:"monthly_cost"`
	// InputPrice and OutputPrice are per million tokens; 0: not known.
	InputPrice  Micros    `json:"input_price"`
	OutputPrice Micros    `json:"output_price"`
	ChangedAt   time.Time `json:"changed_at"`
}

// Host is where words are sent to.
func (m ModelSettings) Host() string {
	u, err := url.Parse(m.Endpoint)
	if err != nil {
		return m.Endpoint
	}
	return u.Host
}

// cost of so many tokens: of one call, which is far from overflowing.
func (m ModelSettings) cost(in, out int64) Micros {
	return Micros((in*int64(m.InputPrice) + out*int64(m.OutputPrice)) / 1_000_000)
}

const (
	mostPlaybook = 4000
	mostType     = 60
	// mostPrice and mostBudget keep sums far from overflowing.
	mostPrice  = Micros(10_000 * 1_000_000)
	mostBudget = 1_000_000_000_000
)

func modelKeyPlace(organizationID uuid.UUID) string {
	return "models.sealed_key:" + organizationID.String()
}

// SetModel names an organization's model, in place of the one that it had. The key is
// kept where none is given, but only for the endpoint that it was given for. Which
// sources it is switched on for stays as it is, but for another endpoint it is
// switched off for all: that words may go to one place says nothing about another.
func (s *Store) SetModel(ctx context.Context, m ModelSettings, actor Actor) error {
	switch {
	case m.Name == "" || m.Endpoint == "":
		return refuse("A model has a name and an endpoint.")
	case m.InputPrice < 0 || m.OutputPrice < 0 || m.InputPrice > mostPrice || m.OutputPrice > mostPrice,
		m.MonthlyTokens < 0 || m.MonthlyTokens > mostBudget, m.MonthlyCost < 0 || m.MonthlyCost > mostBudget*1_000_000:
		return refuse("A price or a budget of the model is out of bounds.")
	case m.MonthlyCost > 0 && (m.InputPrice == 0 || m.OutputPrice == 0):
		return refuse("A budget in money needs both of the model's prices: for input and for output.")
	}
	var sealed []byte
	if key := strings.TrimSpace(m.Key.Reveal()); key != "" {
		var err error
		if sealed, err = s.vault.Seal([]byte(key), modelKeyPlace(m.OrganizationID)); err != nil {
			return fmt.Errorf("sealing the model's key: %w", err)
		}
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// Held first: else a source could be switched on meanwhile, for the endpoint that was.
		before, _, err := s.model(ctx, tx, m.OrganizationID, " for no key update")
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && before.Endpoint != m.Endpoint {
			if _, err := tx.Exec(ctx, `delete from model_sources where organization_id = $1`, m.OrganizationID); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `
			insert into models (organization_id, kind, endpoint, name, sealed_key, monthly_tokens, monthly_cost, input_price, output_price)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			on conflict (organization_id) do update set kind = $2, endpoint = $3, name = $4,
			  sealed_key = coalesce($5, case when models.endpoint = $3 then models.sealed_key end),
			  monthly_tokens = $6, monthly_cost = $7, input_price = $8, output_price = $9, changed_at = now()`,
			m.OrganizationID, m.Kind, m.Endpoint, m.Name, sealed, m.MonthlyTokens, m.MonthlyCost, m.InputPrice, m.OutputPrice); err != nil {
			return err
		}
		return s.auditModel(ctx, tx, m.OrganizationID, actor, fmt.Sprintf("%s at %s", m.Name, m.Host()))
	})
	if err != nil {
		return fmt.Errorf("setting the model: %w", err)
	}
	return nil
}

func (s *Store) auditModel(ctx context.Context, q querier, organizationID uuid.UUID, actor Actor, what string) error {
	return s.audit(ctx, q, AuditEntry{OrganizationID: organizationID, Kind: AuditOrganization, Actor: actor, Reason: "model: " + what})
}

// Model returns an organization's model without its key, or [ErrNotFound].
func (s *Store) Model(ctx context.Context, organizationID uuid.UUID) (ModelSettings, error) {
	m, _, err := s.model(ctx, s.pool, organizationID, "")
	return m, err
}

// ModelWithKey is [Store.Model] with the key, for who calls the endpoint.
func (s *Store) ModelWithKey(ctx context.Context, organizationID uuid.UUID) (ModelSettings, error) {
	m, sealed, err := s.model(ctx, s.pool, organizationID, "")
	if err != nil || sealed == nil {
		return m, err
	}
	key, err := s.vault.Open(sealed, modelKeyPlace(organizationID))
	if err != nil {
		return ModelSettings{}, fmt.Errorf("opening the key of the model of organization %s: %w", organizationID, err)
	}
	m.Key = Secret(key)
	return m, nil
}

// model reads the settings, and the key as it is stored: a key that can't be opened any
// more keeps nobody from naming another one.
func (s *Store) model(ctx context.Context, q querier, organizationID uuid.UUID, lock string) (m ModelSettings, sealedKey []byte, err error) {
	m.OrganizationID = organizationID
	err = q.QueryRow(ctx, `
		select kind, endpoint, name, sealed_key, monthly_tokens, monthly_cost, input_price, output_price, changed_at
		from models where organization_id = $1`+lock, organizationID).Scan(
		&m.Kind, &m.Endpoint, &m.Name, &sealedKey, &m.MonthlyTokens, &m.MonthlyCost, &m.InputPrice, &m.OutputPrice, &m.ChangedAt)
	m.HasKey = sealedKey != nil
	return m, sealedKey, notFound(err, "reading the model")
}

// SwitchModel switches the model on or off for what comes from a source: one of the
// organization's or of the installation's.
func (s *Store) SwitchModel(ctx context.Context, organizationID, sourceID uuid.UUID, on bool, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, _, err := s.model(ctx, tx, organizationID, " for no key update"); err != nil {
			return err
		}
		var name string
		err := tx.QueryRow(ctx, `select name from sources where id = $1 and (organization_id = $2 or organization_id is null)`, sourceID, organizationID).Scan(&name)
		if err := notFound(err, "reading the source"); err != nil {
			return err
		}
		sql, what := `delete from model_sources where organization_id = $1 and source_id = $2`, "off for source "+name
		if on {
			sql, what = `insert into model_sources (organization_id, source_id) values ($1, $2) on conflict do nothing`, "on for source "+name
		}
		if _, err := tx.Exec(ctx, sql, organizationID, sourceID); err != nil {
			return err
		}
		return s.auditModel(ctx, tx, organizationID, actor, what)
	})
	if err != nil {
		return fmt.Errorf("switching the model for source %s: %w", sourceID, err)
	}
	return nil
}

// ForgetModel switches the model off for all sources and deletes its settings and its
// key.
func (s *Store) ForgetModel(ctx context.Context, organizationID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// For which sources it is on goes with it.
		if _, err := tx.Exec(ctx, `delete from models where organization_id = $1`, organizationID); err != nil {
			return err
		}
		return s.auditModel(ctx, tx, organizationID, actor, "off for all sources, endpoint and key forgotten")
	})
	if err != nil {
		return fmt.Errorf("forgetting the model: %w", err)
	}
	return nil
}

// ModelSource is a source that meetings may come from, and whether they may be sent
// to the model.
type ModelSource struct {
	ID       uuid.UUID `json:"id"`
	Name     string    `json:"name"`
	Platform string    `json:"platform"`
	On       bool      `json:"on"`
}

// ModelSources lists the sources of an organization, and those of the installation
// that carry its events, or that the model is on for, by name.
func (s *Store) ModelSources(ctx context.Context, organizationID uuid.UUID) ([]ModelSource, error) {
	rows, err := s.pool.Query(ctx, `
		select s.id, s.name, s.platform, exists (select from model_sources m where m.organization_id = $1 and m.source_id = s.id)
		from sources s
		where s.organization_id = $1
		   or s.organization_id is null and exists (select from source_accounts a where a.source_id = s.id and a.organization_id = $1)
		   or exists (select from model_sources m where m.organization_id = $1 and m.source_id = s.id)
		order by s.name, s.id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing the model's sources: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ModelSource])
	if err != nil {
		return nil, fmt.Errorf("listing the model's sources: %w", err)
	}
	return all, nil
}

// modelDue says whether the model has to be asked about a version of a meeting: it is
// switched on for everything that the meeting came from, and was not asked yet.
func modelDue(ctx context.Context, q querier, organizationID, meetingID uuid.UUID, version int64) (bool, error) {
	var due bool
	err := q.QueryRow(ctx, `
		select exists (select from models where organization_id = $1)
		   and exists (select from events where meeting_id = $2)
		   and not exists (select from events e where e.meeting_id = $2
		         and not exists (select from model_sources m where m.organization_id = $1 and m.source_id = e.source_id))
		   and not exists (select from model_answers where meeting_id = $2 and meeting_version = $3)`,
		organizationID, meetingID, version).Scan(&due)
	if err != nil {
		return false, fmt.Errorf("asking whether the model is due: %w", err)
	}
	return due, nil
}

// ModelDue says whether the model has to be asked about a version of a meeting.
func (s *Store) ModelDue(ctx context.Context, organizationID, meetingID uuid.UUID, version int64) (bool, error) {
	return modelDue(ctx, s.pool, organizationID, meetingID, version)
}

// PlanIsDue says whether more was said or answered about a meeting since its last
// plan was made.
func (s *Store) PlanIsDue(ctx context.Context, organizationID, meetingID uuid.UUID) (bool, error) {
	var due bool
	err := s.pool.QueryRow(ctx, `
		select m.version > f.planned_version or f.answers > f.planned_answers
		from follow_ups f join meetings m on m.id = f.meeting_id where f.organization_id = $1 and f.meeting_id = $2`, organizationID, meetingID).Scan(&due)
	return due, notFound(err, "reading the follow-up")
}

// ErrModelOff: the model was switched off meanwhile, or the meeting is another than the
// one that it is asked about, and it is not called.
var ErrModelOff = errors.New("the model is switched off")

// ErrModelBudget: the month's budget does not allow the call.
var ErrModelBudget = errors.New("the month's budget for the model is used up")

// ErrModelCalls: there were too many calls about one version of a meeting.
var ErrModelCalls = errors.New("the model was called too often about this meeting")

// mostModelCalls are made about one version of a meeting: more than all of its parts
// need with what is repaired and tried again. A worker that dies in the midst of it
// begins anew, and each time is paid for.
const mostModelCalls = 60

// ModelCall is one call of a model.
type ModelCall struct {
	ID             uuid.UUID `json:"id"`
	OrganizationID uuid.UUID `json:"-"`
	MeetingID      uuid.UUID `json:"meeting_id"`
	MeetingVersion int64     `json:"meeting_version"`
	Part           int       `json:"part"`
	Parts          int       `json:"parts"`
	Try            int       `json:"try"`
	Name           string    `json:"name"`
	Endpoint       string    `json:"endpoint"`
	// Digest is a keyed hash of the request.
	Digest string `json:"digest"`
	// InputTokens and OutputTokens, before the call ended: the most that it can cost.
	InputTokens  int64  `json:"input_tokens"`
	OutputTokens int64  `json:"output_tokens"`
	Cost         Micros `json:"cost"`
	// Outcome is "attempted", "answered" or why there is no answer.
	Outcome string        `json:"outcome"`
	Status  int           `json:"status,omitempty"`
	Latency time.Duration `json:"latency_ns"`
	BegunAt time.Time     `json:"begun_at"`
}

// ModelAnswered is the outcome of a call that was answered.
const ModelAnswered = "answered"

// BeginModelCall writes a call down before it is made, in the trail, too. Whether the
// model is still switched on for the meeting as it is now, and whether the month's budget
// allows the most that the call can cost, is decided here: [ErrModelOff],
// [ErrModelBudget], [ErrModelCalls].
// Calls of one organization are decided one after another, so that together they stay
// inside of the budget.
func (s *Store) BeginModelCall(ctx context.Context, c ModelCall) (uuid.UUID, error) {
	c.ID = newID()
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		m, _, err := s.model(ctx, tx, c.OrganizationID, " for no key update")
		if errors.Is(err, ErrNotFound) {
			return ErrModelOff
		}
		if err != nil {
			return err
		}
		due, err := modelDue(ctx, tx, c.OrganizationID, c.MeetingID, c.MeetingVersion)
		if err != nil {
			return err
		}
		var same bool
		var before int
		if err := tx.QueryRow(ctx, `
			select m.version = $2 and m.data_key_id is not null, (select count(*) from model_calls c where c.meeting_id = m.id and c.meeting_version = $2)
			from meetings m where m.id = $1`, c.MeetingID, c.MeetingVersion).Scan(&same, &before); err != nil {
			return notFound(err, "reading the meeting")
		}
		switch {
		case !due || !same || m.Endpoint != c.Endpoint:
			return ErrModelOff
		case before >= mostModelCalls:
			return ErrModelCalls
		}
		used, err := modelUse(ctx, tx, c.OrganizationID)
		if err != nil {
			return err
		}
		c.Cost = m.cost(c.InputTokens, c.OutputTokens)
		if m.MonthlyTokens > 0 && used.Tokens+c.InputTokens+c.OutputTokens > m.MonthlyTokens || m.MonthlyCost > 0 && used.Cost+c.Cost > m.MonthlyCost {
			return ErrModelBudget
		}
		audit, err := s.insertAudit(ctx, tx, AuditEntry{
			OrganizationID: c.OrganizationID, Kind: AuditPlan, Actor: Actor{Name: "planner model"}, Origin: Origin{Kind: "meeting", ID: c.MeetingID}, Outcome: Attempted,
			Reason: fmt.Sprintf("model %s at %s asked: part %d of %d, call %d", m.Name, m.Host(), c.Part, c.Parts, c.Try),
		})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into model_calls (id, organization_id, meeting_id, meeting_version, part, parts, try, kind, endpoint, name, request_digest,
			                         input_tokens, output_tokens, cost, audit_id)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
			c.ID, c.OrganizationID, c.MeetingID, c.MeetingVersion, c.Part, c.Parts, c.Try, m.Kind, m.Endpoint, m.Name, c.Digest,
			c.InputTokens, c.OutputTokens, c.Cost, audit)
		return err
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("beginning a call of the model: %w", err)
	}
	return c.ID, nil
}

// ModelCallEnd is how a call ended.
type ModelCallEnd struct {
	// Failure is empty where there is an answer.
	Failure string
	Status  int
	Latency time.Duration
	// InputTokens and OutputTokens as the endpoint counted them. Where it did not, an
	// answer keeps what was set aside for it.
	InputTokens, OutputTokens int64
}

// EndModelCall completes a call's rows.
func (s *Store) EndModelCall(ctx context.Context, id uuid.UUID, e ModelCallEnd) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		outcome, result := ModelAnswered, CallResult{Outcome: Done, Status: e.Status}
		if e.Failure != "" {
			outcome, result.Outcome, result.Category = e.Failure, Failed, e.Failure
		}
		in, out := e.InputTokens, e.OutputTokens
		// An endpoint that was not heard, or not to the end, may have worked all the same,
		// and charges for it; one that answered with an error does not.
		unknown := in+out == 0 && (e.Failure == "" || e.Status < 300)
		var audit int64
		err := tx.QueryRow(ctx, `
			update model_calls c set outcome = $2, status = $3, latency_ms = $4, ended_at = now(),
			  input_tokens = case when $7 then c.input_tokens else $5 end, output_tokens = case when $7 then c.output_tokens else $6 end,
			  cost = case when $7 then c.cost else ($5::numeric * coalesce(m.input_price, 0) + $6::numeric * coalesce(m.output_price, 0)) / 1000000 end
			from model_calls self left join models m on m.organization_id = self.organization_id
			where c.id = $1 and self.id = c.id and c.outcome = 'attempted' returning c.audit_id`,
			id, outcome, e.Status, e.Latency.Milliseconds(), in, out, unknown).Scan(&audit)
		if err := notFound(err, "completing a call of the model"); err != nil {
			return err
		}
		return endCall(ctx, tx, audit, result)
	})
	if err != nil {
		return fmt.Errorf("ending a call of the model: %w", err)
	}
	return nil
}

// ModelUse is what an organization used in the current month.
type ModelUse struct {
	Calls  int    `json:"calls"`
	Tokens int64  `json:"tokens"`
	Cost   Micros `json:"cost"`
}

func modelUse(ctx context.Context, q querier, organizationID uuid.UUID) (ModelUse, error) {
	var u ModelUse
	err := q.QueryRow(ctx, `
		select count(*), coalesce(sum(input_tokens + output_tokens), 0)::bigint, coalesce(sum(cost), 0)::bigint from model_calls
		where organization_id = $1 and begun_at >= date_trunc('month', now() at time zone 'UTC') at time zone 'UTC'`, organizationID).Scan(&u.Calls, &u.Tokens, &u.Cost)
	if err != nil {
		return ModelUse{}, fmt.Errorf("summing up the calls of the model: %w", err)
	}
	return u, nil
}

// ModelUse sums up the calls of the current month (UTC).
func (s *Store) ModelUse(ctx context.Context, organizationID uuid.UUID) (ModelUse, error) {
	return modelUse(ctx, s.pool, organizationID)
}

// ModelCalls lists an organization's calls, newest first, at most limit; of one
// meeting unless meetingID is nil.
func (s *Store) ModelCalls(ctx context.Context, organizationID uuid.UUID, meetingID *uuid.UUID, limit int) ([]ModelCall, error) {
	rows, err := s.pool.Query(ctx, `
		select id, organization_id, meeting_id, meeting_version, part, parts, try, name, endpoint, request_digest,
		       input_tokens, output_tokens, cost, outcome, status, latency_ms, begun_at
		from model_calls where organization_id = $1 and ($2::uuid is null or meeting_id = $2) order by begun_at desc, id desc limit $3`,
		organizationID, meetingID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing the calls of the model: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c ModelCall, _ error) {
		var ms int64
		err := row.Scan(&c.ID, &c.OrganizationID, &c.MeetingID, &c.MeetingVersion, &c.Part, &c.Parts, &c.Try, &c.Name, &c.Endpoint, &c.Digest,
			&c.InputTokens, &c.OutputTokens, &c.Cost, &c.Outcome, &c.Status, &ms, &c.BegunAt)
		c.Latency = time.Duration(ms) * time.Millisecond
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing the calls of the model: %w", err)
	}
	return all, nil
}

// ModelAnswer is what a model made of one version of a meeting, or why it was not
// heard.
type ModelAnswer struct {
	MeetingVersion int64
	// Outcome is [ModelAnswered], or a word for why there is none, or none for all
	// parts.
	Outcome string
	// Heard of Parts were answered.
	Parts, Heard int
	MadeAt       time.Time
}

func modelAnswerPlace(id uuid.UUID) string { return "model_answers.sealed:" + id.String() }

// SaveModelAnswer records what a model made of a version of a meeting, sealed with
// the meeting's key. The first for a version stands. Where the meeting is another by
// now nothing is recorded: it is asked about anew, and somebody may have been erased
// from it whom the answer still names.
func (s *Store) SaveModelAnswer(ctx context.Context, organizationID, meetingID uuid.UUID, a ModelAnswer, content any) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var keyID *uuid.UUID
		var version int64
		// Held, so that nothing of it is erased meanwhile.
		err := tx.QueryRow(ctx, `select data_key_id, version from meetings where organization_id = $1 and id = $2 for share`, organizationID, meetingID).Scan(&keyID, &version)
		if err := notFound(err, "reading the meeting"); err != nil {
			return err
		}
		if keyID != nil && version != a.MeetingVersion {
			return nil
		}
		key, err := s.dataKey(ctx, tx, keyID)
		if err != nil {
			return err
		}
		id := newID()
		sealed, err := sealJSON(key, content, modelAnswerPlace(id))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into model_answers (id, organization_id, meeting_id, meeting_version, outcome, parts, heard, sealed)
			values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (meeting_id, meeting_version) do nothing`,
			id, organizationID, meetingID, a.MeetingVersion, a.Outcome, a.Parts, a.Heard, sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("recording the model's answer about meeting %s: %w", meetingID, err)
	}
	return nil
}

// ModelAnswer reads into content what a model made of a meeting: of that version, or
// with 0 of the latest one that there is. [ErrNotFound]: it was not asked.
func (s *Store) ModelAnswer(ctx context.Context, organizationID, meetingID uuid.UUID, version int64, content any) (ModelAnswer, error) {
	var a ModelAnswer
	var id uuid.UUID
	var keyID *uuid.UUID
	var sealed []byte
	err := s.pool.QueryRow(ctx, `
		select a.id, a.meeting_version, a.outcome, a.parts, a.heard, a.made_at, a.sealed, m.data_key_id
		from model_answers a join meetings m on m.id = a.meeting_id
		where a.organization_id = $1 and a.meeting_id = $2 and ($3::bigint = 0 or a.meeting_version = $3) order by a.meeting_version desc limit 1`,
		organizationID, meetingID, version).Scan(&id, &a.MeetingVersion, &a.Outcome, &a.Parts, &a.Heard, &a.MadeAt, &sealed, &keyID)
	if err := notFound(err, "reading the model's answer"); err != nil {
		return ModelAnswer{}, err
	}
	key, err := s.dataKey(ctx, s.pool, keyID)
	if err != nil {
		return ModelAnswer{}, err
	}
	return a, openJSON(key, sealed, content, modelAnswerPlace(id))
}

// Playbook is a short instruction for meetings of a type.
type Playbook struct {
	// MeetingType are words that stand in the titles of such meetings; "*" is every
	// meeting.
	MeetingType  string    `json:"meeting_type"`
	Instructions string    `json:"instructions"`
	ChangedAt    time.Time `json:"changed_at"`
}

// For says whether the playbook is for meetings with that title.
func (p Playbook) For(title string) bool {
	if p.MeetingType == "*" {
		return true
	}
	words := strings.Fields(strings.ToLower(p.MeetingType))
	return strings.Contains(" "+strings.Join(strings.FieldsFunc(strings.ToLower(title), separates), " ")+" ", " "+strings.Join(words, " ")+" ")
}

// separates says that a rune is no part of a word.
func separates(r rune) bool {
	return strings.ContainsRune(" \t\n,.;:!?()[]{}<>|/\\\"'“”„«»–—-_&+", r)
}

// SetPlaybook sets the instructions for a type of meetings.
func (s *Store) SetPlaybook(ctx context.Context, organizationID uuid.UUID, p Playbook, actor Actor) error {
	p.MeetingType = strings.Join(strings.FieldsFunc(strings.ToLower(p.MeetingType), separates), " ")
	switch {
	case p.MeetingType == "" || len(p.MeetingType) > mostType:
		return refuse("A type of meetings is words that stand in their titles, at most %d characters, or * for every meeting.", mostType)
	case strings.TrimSpace(p.Instructions) == "" || len(p.Instructions) > mostPlaybook:
		return refuse("A playbook has a text of at most %d characters.", mostPlaybook)
	}
	return s.changePlaybook(ctx, organizationID, actor, "playbook for "+p.MeetingType+" set", `
		insert into playbooks (organization_id, meeting_type, instructions) values ($1, $2, $3)
		on conflict (organization_id, meeting_type) do update set instructions = $3, changed_at = now()`, organizationID, p.MeetingType, strings.TrimSpace(p.Instructions))
}

// RemovePlaybook removes the instructions for a type of meetings.
func (s *Store) RemovePlaybook(ctx context.Context, organizationID uuid.UUID, meetingType string, actor Actor) error {
	return s.changePlaybook(ctx, organizationID, actor, "playbook for "+meetingType+" removed",
		`delete from playbooks where organization_id = $1 and meeting_type = $2`, organizationID, meetingType)
}

func (s *Store) changePlaybook(ctx context.Context, organizationID uuid.UUID, actor Actor, what, sql string, args ...any) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return s.auditModel(ctx, tx, organizationID, actor, what)
	})
	if err != nil {
		return fmt.Errorf("changing a playbook: %w", err)
	}
	return nil
}

// Playbooks lists an organization's playbooks by their types.
func (s *Store) Playbooks(ctx context.Context, organizationID uuid.UUID) ([]Playbook, error) {
	rows, err := s.pool.Query(ctx, `select meeting_type, instructions, changed_at from playbooks where organization_id = $1 order by meeting_type`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing playbooks: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Playbook])
	if err != nil {
		return nil, fmt.Errorf("listing playbooks: %w", err)
	}
	return all, nil
}
