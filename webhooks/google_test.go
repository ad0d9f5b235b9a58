package webhooks

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

const (
	googlePublic  = "https://debrief.example"
	channelSecret = "whsec_Y2hhbm5lbC1zZWNyZXQtb2YtdGhlLWhhcmJvci10ZXN0cyE="
)

func TestPushIdentity(t *testing.T) {
	t.Parallel()
	g := newGoogleDouble(t)
	a := g.platforms()["google-meet"].authentication
	at, err := url.Parse(googlePublic + "/webhooks/0b6f2f3a?token=x")
	require.NoError(t, err)
	const here = googlePublic + "/webhooks/0b6f2f3a"
	claim := func(name string, value any) func(map[string]any) {
		return func(c map[string]any) { c[name] = value }
	}
	sound := func(change func(map[string]any)) string {
		return identity(t, googleKey(), jose.RS256, "k1", here, change)
	}
	public, err := x509.MarshalPKIXPublicKey(&googleKey().PublicKey)
	require.NoError(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	asJWK, err := json.Marshal(g.keys[0])
	require.NoError(t, err)
	cut := func(token string) string { return token[:strings.LastIndex(token, ".")+1] }
	other := strings.Split(sound(claim("email", "someone@else.iam.gserviceaccount.com")), ".")
	mine := strings.Split(sound(nil), ".")
	for name, tc := range map[string]struct {
		header []string
		token  string
		secret string
		want   error
	}{
		"as signed":                            {token: sound(nil)},
		"its URL with a slash at the end":      {token: sound(claim("aud", here+"/"))},
		"a set audience":                       {token: sound(claim("aud", "debrief")), secret: pusher + " debrief"},
		"not that audience":                    {token: sound(nil), secret: pusher + " debrief", want: WrongSignature},
		"expired within the leeway":            {token: sound(claim("exp", now.Add(-50*time.Second).Unix()))},
		"expired":                              {token: sound(claim("exp", now.Add(-2*time.Minute).Unix())), want: OutsideTimeWindow},
		"without an end":                       {token: sound(func(c map[string]any) { delete(c, "exp") }), want: OutsideTimeWindow},
		"not yet":                              {token: sound(claim("nbf", now.Add(time.Hour).Unix())), want: WrongSignature},
		"no signature needed":                  {token: unsigned(sound(nil)), want: WrongSignature},
		"no signature":                         {token: cut(sound(nil)), want: WrongSignature},
		"HS256 with the public key in PEM":     {token: identity(t, asPEM, jose.HS256, "k1", here, nil), want: WrongSignature},
		"HS256 with the public key in DER":     {token: identity(t, public, jose.HS256, "k1", here, nil), want: WrongSignature},
		"HS256 with the published key":         {token: identity(t, asJWK, jose.HS256, "k1", here, nil), want: WrongSignature},
		"PS256 with Google's key":              {token: identity(t, googleKey(), jose.PS256, "k1", here, nil), want: WrongSignature},
		"RS512 with Google's key":              {token: identity(t, googleKey(), jose.RS512, "k1", here, nil), want: WrongSignature},
		"another key under Google's name":      {token: identity(t, otherGoogleKey(), jose.RS256, "k1", here, nil), want: WrongSignature},
		"a key that Google does not publish":   {token: identity(t, otherGoogleKey(), jose.RS256, "k9", here, nil), want: WrongSignature},
		"claims of another signature":          {token: other[0] + "." + mine[1] + "." + other[2], want: WrongSignature},
		"another source's URL":                 {token: sound(claim("aud", googlePublic+"/webhooks/another")), want: WrongSignature},
		"the URL with its query":               {token: sound(claim("aud", here+"?token=x")), want: WrongSignature},
		"no audience":                          {token: sound(claim("aud", nil)), want: WrongSignature},
		"another service account":              {token: sound(claim("email", "push@evil.iam.gserviceaccount.com")), want: WrongSignature},
		"the account's address in capitals":    {token: sound(claim("email", strings.ToUpper(pusher))), want: WrongSignature},
		"no account":                           {token: sound(claim("email", nil)), want: WrongSignature},
		"an account that is not verified":      {token: sound(claim("email_verified", false)), want: WrongSignature},
		"an account that is verified in words": {token: sound(claim("email_verified", "true")), want: WrongSignature},
		"nothing about its being verified":     {token: sound(claim("email_verified", nil)), want: WrongSignature},
		"another issuer":                       {token: sound(claim("iss", "https://accounts.google.com.evil.example")), want: WrongSignature},
		"a token that is too long":             {token: sound(claim("pad", strings.Repeat("x", maxToken))), want: WrongSignature},
		"no token":                             {header: []string{"Bearer not.a.token"}, want: WrongSignature},
		"two tokens":                           {header: []string{"Bearer " + sound(nil), "Bearer " + sound(nil)}, want: MissingSignature},
		"another scheme":                       {header: []string{"Basic " + sound(nil)}, want: MissingSignature},
		"an empty one":                         {header: []string{"Bearer "}, want: MissingSignature},
		"none":                                 {header: []string{}, want: MissingSignature},
		"a secret that is a person's":          {token: sound(claim("email", inesAt)), secret: inesAt, want: WrongSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header, secret := tc.header, tc.secret
			if header == nil {
				header = []string{"Bearer " + tc.token}
			}
			if secret == "" {
				secret = pusher
			}
			r := Request{URL: at, Header: http.Header{"Authorization": header}, Body: []byte(`{}`)}
			require.Equal(t, tc.want, a.Verify(r, secret, now))
		})
	}
	for secret, want := range map[string]string{
		pusher: "", pusher + " https://elsewhere.example/x": "", "": "give the e-mail", " " + pusher: "give the e-mail", "ines@harbor.example": "give the e-mail",
		"@x.iam.gserviceaccount.com": "give the e-mail", pusher + " a b": "give the e-mail", standardSecret: "give the e-mail",
	} {
		err := a.CheckSecret(secret)
		if want == "" {
			require.NoError(t, err, secret)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}

// Whoever does not know the account has nobody asked for keys; and keys that can't
// be had are no verdict.
func TestGooglesKeys(t *testing.T) {
	t.Parallel()
	g := newGoogleDouble(t)
	a := g.platforms()["google-meet"].authentication
	at, err := url.Parse(googlePublic + "/webhooks/1")
	require.NoError(t, err)
	verify := func(key any, kid string, change func(map[string]any)) error {
		token := identity(t, key, jose.RS256, kid, at.String(), change)
		return a.Verify(Request{URL: at, Header: http.Header{"Authorization": {"Bearer " + token}}}, pusher, now)
	}
	require.Equal(t, WrongSignature, verify(otherGoogleKey(), "k9", func(c map[string]any) { c["email"] = "push@evil.iam.gserviceaccount.com" }))
	require.Zero(t, g.called("GET /certs"))

	g.fail("/certs", googleFailure{status: 503})
	err = verify(googleKey(), "k1", nil)
	var refusal Refusal
	require.Error(t, err)
	require.False(t, errors.As(err, &refusal), "it may be Google's")
	// The next one asks again, once the one that failed is over.
	require.Eventually(t, func() bool { return verify(googleKey(), "k1", nil) == nil }, 10*time.Second, 10*time.Millisecond)
	asked := g.called("GET /certs")
	for range 20 {
		require.Equal(t, WrongSignature, verify(otherGoogleKey(), "k9", nil))
	}
	require.Equal(t, asked, g.called("GET /certs"), "not once more for each unknown name")
	require.NoError(t, verify(googleKey(), "k1", nil))
}

func TestChannelToken(t *testing.T) {
	t.Parallel()
	a := channelToken{}
	const channel, swapped = "4f9e6f0e-1d6a-4a5e-9e0e-3b1a0c6f0001", "4f9e6f0e-1d6a-4a5e-9e0e-3b1a0c6f0002"
	token := a.token(channelSecret, channel)
	require.Len(t, token, 64)
	require.NotContains(t, token, channelSecret)
	for name, tc := range map[string]struct {
		channel, token []string
		secret, body   string
		want           error
	}{
		"as it was given":           {},
		"another token":             {token: []string{strings.Repeat("0", 64)}, want: WrongSignature},
		"a swapped channel":         {channel: []string{swapped}, want: WrongSignature},
		"the other one's token":     {token: []string{a.token(channelSecret, swapped)}, want: WrongSignature},
		"another source's":          {token: []string{a.token(standardSecret, channel)}, want: WrongSignature},
		"the secret itself":         {token: []string{channelSecret}, want: WrongSignature},
		"in capitals":               {token: []string{strings.ToUpper(token)}, want: WrongSignature},
		"cut":                       {token: []string{token[:32]}, want: WrongSignature},
		"no token":                  {token: []string{}, want: MissingSignature},
		"an empty one":              {token: []string{""}, want: MissingSignature},
		"two tokens":                {token: []string{"x", token}, want: MissingSignature},
		"no channel":                {channel: []string{}, want: MissingSignature},
		"two channels":              {channel: []string{channel, swapped}, want: MissingSignature},
		"with a body":               {body: `{"id":"forged","status":"cancelled"}`, want: WrongSignature},
		"a secret that is too weak": {secret: "short", token: []string{a.token("short", channel)}, want: WrongSignature},
		"an empty secret":           {secret: " ", token: []string{a.token(" ", channel)}, want: WrongSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.channel == nil {
				tc.channel = []string{channel}
			}
			if tc.token == nil {
				tc.token = []string{token}
			}
			if tc.secret == "" {
				tc.secret = channelSecret
			}
			header := http.Header{"X-Goog-Channel-Id": tc.channel, "X-Goog-Channel-Token": tc.token, "X-Goog-Resource-State": {"exists"}}
			require.Equal(t, tc.want, a.Verify(Request{Header: header, Body: []byte(tc.body)}, tc.secret, now))
		})
	}
	require.NoError(t, a.CheckSecret(channelSecret))
	require.Error(t, a.CheckSecret("short"))
}

// office is an organization whose Google is the double.
type office struct {
	*bundle
	google    *googleDouble
	platforms map[string]Platform
	apis      *APIs
	now       time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{bundle: setup(t), google: newGoogleDouble(t), now: now}
	o.platforms = o.google.platforms()
	for name, m := range map[string]Mapping{"google-meet": unpaced[googleMeetMapping]{}, "google-calendar": unpaced[googleCalendarMapping]{}} {
		p := o.platforms[name]
		p.mapping = m
		o.platforms[name] = p
	}
	o.google.now = func() time.Time { return o.now }
	o.apis = NewAPIs(o.store, nil)
	o.receiver = NewReceiver(ReceiverOptions{
		Store: o.store, Platforms: o.platforms, PublicURL: googlePublic, Log: zerolog.New(o.log), Now: func() time.Time { return o.now },
	})
	engine := gin.New()
	o.receiver.Register(engine)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// googles is what Google's mappings have in common.
type googles interface {
	Mapping
	fetchingOrNot
}

type fetchingOrNot interface {
	tending
	lookingAgain
}

// unpaced is a mapping whose calls wait for no turn: tests make many.
type unpaced[M googles] struct{ it M }

func (u unpaced[M]) Handshake(body []byte, secret string) (any, bool) {
	return u.it.Handshake(body, secret)
}
func (u unpaced[M]) Key(d Delivery) string                      { return u.it.Key(d) }
func (u unpaced[M]) Events(d Delivery) ([]meeting.Event, error) { return u.it.Events(d) }
func (u unpaced[M]) LookAgain(d Delivery) bool                  { return u.it.LookAgain(d) }
func (u unpaced[M]) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	return u.it.Tend(ctx, api, t)
}

func (u unpaced[M]) API() APISpec {
	spec := u.it.API()
	spec.Every = 0
	return spec
}

func (u unpaced[M]) Thin(d Delivery) bool {
	f, is := any(u.it).(fetching)
	return is && f.Thin(d)
}

func (u unpaced[M]) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	return any(u.it).(fetching).Fetch(ctx, api, d)
}

// source is one with credentials for the people.
func (o *office) source(t *testing.T, platform string, secret store.Secret, people ...string) store.Source {
	t.Helper()
	source, err := o.store.CreateSource(t.Context(), store.NewSource{
		OrganizationID: &o.organization.ID, Platform: platform, Name: platform, Secrets: []store.Secret{secret}, Settings: store.SourceSettings{APIURL: o.google.URL},
	}, store.Operator)
	require.NoError(t, err)
	if len(people) == 0 {
		return source
	}
	given := map[string]any{"service_account": json.RawMessage(serviceAccount(t).Reveal()), "users": people}
	if platform == "google-meet" {
		given["topic"] = meetTopic
	}
	raw, err := json.Marshal(given)
	require.NoError(t, err)
	credentials, err := Platforms()[platform].ReadCredentials(raw)
	require.NoError(t, err)
	require.NoError(t, o.store.SetSourceCredentials(t.Context(), source.ID, credentials, store.Operator))
	source, err = o.store.Source(t.Context(), source.ID)
	require.NoError(t, err)
	return source
}

// push has Pub/Sub push a body.
func (o *office) push(t *testing.T, source store.Source, body []byte) response {
	t.Helper()
	token := identity(t, googleKey(), jose.RS256, "k1", googlePublic+"/webhooks/"+source.ID.String(), func(c map[string]any) {
		c["iat"], c["exp"] = o.now.Add(-time.Minute).Unix(), o.now.Add(59*time.Minute).Unix()
	})
	return o.send(t, source, http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}, body)
}

// work does what relay, workflow and upkeep do, until nothing is left.
func (o *office) work(t *testing.T) (failures []error) {
	t.Helper()
	fetcher := &Fetcher{Store: o.store, Platforms: o.platforms, APIs: o.apis}
	for {
		claimed, err := o.store.ClaimDeliveries(t.Context(), 100)
		require.NoError(t, err)
		if len(claimed) == 0 {
			return failures
		}
		for _, d := range claimed {
			result, err := understandStored(t.Context(), o.store, o.platforms, d)
			require.NoError(t, err)
			if !result.fetching {
				continue
			}
			without := ""
			if err := fetcher.Fetch(t.Context(), d.ID); err != nil {
				failures = append(failures, err)
				without = "understood without"
			}
			require.NoError(t, fetcher.Understand(t.Context(), d.ID, without))
		}
	}
}

func TestGooglePushes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	meet := o.source(t, "google-meet", pusher)
	body := fixture(t, "google-meet/conference.ended.json")
	for range 3 {
		got := o.push(t, meet, body)
		require.Equal(t, http.StatusNoContent, got.status, got.body)
		require.Empty(t, got.body)
	}
	// Its token covers no body: who saw one can send another. It names something to
	// ask for, and is nothing without.
	require.Equal(t, http.StatusNoContent, o.push(t, meet, message(t, "forged", meetEnded, "conferenceRecord", "conferenceRecords/forged")).status)
	require.Equal(t, http.StatusNoContent, o.push(t, meet, fixture(t, "google-meet/participant.joined.json")).status)
	require.Equal(t, http.StatusNoContent, o.push(t, meet, []byte(`no JSON`)).status, "kept, and not sent for a week")
	stored := o.stored(t)
	require.Len(t, stored, 4)
	keys := map[string]int{}
	for _, d := range stored {
		keys[d.DedupeKey] = d.Duplicates
		require.NotContains(t, d.Headers, "Authorization")
	}
	require.Equal(t, 2, keys["pubsub:9002"])
	require.Contains(t, keys, "pubsub:forged")
	require.Empty(t, o.work(t))
	require.Empty(t, o.meetings(t), "a name alone is no meeting")

	for name, token := range map[string]string{
		"another source's": identity(t, googleKey(), jose.RS256, "k1", googlePublic+"/webhooks/"+uuid.NewString(), nil),
		"no signature":     unsigned(identity(t, googleKey(), jose.RS256, "k1", googlePublic+"/webhooks/"+meet.ID.String(), nil)),
	} {
		got := o.send(t, meet, http.Header{"Authorization": {"Bearer " + token}}, body)
		require.Equal(t, http.StatusUnauthorized, got.status, name)
	}
	require.Len(t, o.stored(t), 4)
	require.NotContains(t, o.log.String(), pusher)
}

// While Google's keys can't be had, nothing is accepted and nothing refused for good.
func TestGooglesKeysAreAway(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	meet := o.source(t, "google-meet", pusher)
	o.google.fail("/certs", slices.Repeat([]googleFailure{{status: 500}}, 10)...)
	body := fixture(t, "google-meet/conference.ended.json")
	require.Equal(t, http.StatusServiceUnavailable, o.push(t, meet, body).status)
	require.Empty(t, o.stored(t))
	o.google.fail("/certs")
	require.Eventually(t, func() bool { return o.push(t, meet, body).status == http.StatusNoContent }, 10*time.Second, 10*time.Millisecond)
}

// held has the double know of the call that the fixtures name.
func (g *googleDouble) held() {
	g.locked(func() {
		g.meet[meetCalled] = map[string]any{"name": meetCalled, "startTime": "2026-10-06T14:01:30Z", "endTime": "2026-10-06T14:46:55.5Z", "expireTime": "2026-11-05T14:46:55Z", "space": "spaces/Hrb0r"}
		g.meet["spaces/Hrb0r"] = map[string]any{"name": "spaces/Hrb0r", "meetingUri": meetRoom, "meetingCode": "hbr-nrth-wnd"}
		p := meetCalled + "/participants/"
		g.meet[meetCalled+"/participants"] = []any{
			map[string]any{"name": p + "p-3", "phoneUser": map[string]any{"displayName": "+351 2••• ••12"}},
			map[string]any{"name": p + "p-2", "anonymousUser": map[string]any{"displayName": "Tom Okafor"}},
			map[string]any{"name": p + "p-1", "signedinUser": map[string]any{"user": "users/1001", "displayName": "Inês Duarte"}},
		}
		g.meet[meetCalled+"/transcripts/t-1"] = map[string]any{"name": meetCalled + "/transcripts/t-1", "state": "FILE_GENERATED", "startTime": "2026-10-06T14:02:00Z"}
		g.meet[meetCalled+"/transcripts/t-1/entries"] = []any{
			map[string]any{"participant": p + "p-1", "text": "Shall we go through the renewal?", "startTime": "2026-10-06T14:02:10Z"},
			map[string]any{"participant": p + "p-2", "text": "Forty seats, if the price holds.", "startTime": "2026-10-06T14:02:40Z"},
			map[string]any{"participant": p + "p-1", "text": "It does until Friday.", "startTime": "2026-10-06T14:03:00.5Z"},
		}
		g.meet[meetCalled+"/smartNotes/n-1"] = map[string]any{
			"name": meetCalled + "/smartNotes/n-1", "state": "FILE_GENERATED", "startTime": "2026-10-06T14:02:00Z",
			"docsDestination": map[string]any{"document": "d0c-1", "exportUri": "https://docs.google.com/document/d/d0c-1/view"},
		}
		g.meet[meetCalled+"/recordings/r-1"] = map[string]any{
			"name": meetCalled + "/recordings/r-1", "startTime": "2026-10-06T14:02:00Z",
			"driveDestination": map[string]any{"file": "f-1", "exportUri": "https://drive.google.com/file/d/f-1/view"},
		}
		g.documents["d0c-1"] = "# Renewal\n\nForty seats at the old price.\n\n## Next steps\n\n- Inês Duarte: Send the quote\n"
	})
	g.change(inesAt, entry("elsewhere", two.Add(-90*time.Minute), func(e *calendarEntry) { e.HangoutLink = "https://meet.google.com/oth-eron-eee" }))
	g.change(inesAt, entry("earlier_in_the_same_room", two.Add(-2*time.Hour), nil))
	g.change(inesAt, entry("harborcal_20261006T140000Z", two, nil))
}

func (o *office) pushAll(t *testing.T, source store.Source, names ...string) {
	t.Helper()
	for _, name := range names {
		require.Equal(t, http.StatusNoContent, o.push(t, source, fixture(t, "google-meet/"+name+".json")).status)
	}
}

func TestMeetIsFetched(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.google.held()
	o.google.locked(func() { o.google.seenBy = map[string]bool{inesAt: true} })
	// João is asked first, and was not there.
	meet := o.source(t, "google-meet", pusher, "gone@harbor.example", inesAt, "a.joao@harbor.example", joaoAt)
	o.pushAll(t, meet, "recording.fileGenerated", "smartNote.fileGenerated", "transcript.fileGenerated", "conference.started", "conference.ended")
	require.Empty(t, o.work(t))

	found := o.meetings(t)
	require.Len(t, found, 1)
	m := found[0].Content
	require.Equal(t, meeting.StateEnded, m.State)
	require.True(t, m.HasNotes)
	require.Equal(t, meetCalled, m.Keys.RecordingID)
	require.Equal(t, "harborcal_20261006T140000Z", m.Keys.CalendarEventID, "of two in the same room the nearer one")
	require.Equal(t, harbor, m.Title)
	require.Equal(t, two, m.ScheduledStart)
	require.Equal(t, two.Add(90*time.Second), m.ActualStart)
	require.Equal(t, time.Date(2026, 10, 6, 14, 46, 55, 5e8, time.UTC), m.ActualEnd)
	require.Equal(t, ines.Email, m.Organizer.Email)
	require.Len(t, m.Attendees, 2, "who was there is who was invited, by name; a telephone is nobody")
	for _, a := range m.Attendees {
		require.NotEmpty(t, a.Email)
		require.True(t, *a.Attended)
	}
	require.Equal(t, "# Renewal\n\nForty seats at the old price.", m.Summary.Text)
	require.Equal(t, []meeting.ActionItem{{Text: "Send the quote", AssigneeName: ines.Name, Parsed: true}}, m.ActionItems)
	require.Equal(t, []meeting.Segment{
		{Speaker: ines.Name, StartSeconds: 40, Text: "Shall we go through the renewal?"},
		{Speaker: tom.Name, StartSeconds: 70, Text: "Forty seats, if the price holds."},
		{Speaker: ines.Name, StartSeconds: 90.5, Text: "It does until Friday."},
	}, m.Transcript.Segments, "all three pages of two")
	require.Equal(t, "https://drive.google.com/file/d/f-1/view", m.RecordingURL)
	require.Equal(t, "https://docs.google.com/document/d/d0c-1/view", m.ReportURL)
	require.Equal(t, 3+5*2, o.google.called("POST /token"), "one for each scope is kept; for two people without an account there is none")
}

// Who is not the host is told of the transcript alone: it says the end, too. Without
// leave to read calendars and documents there are fewer facts, and no failure.
func TestMeetWithoutLeave(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.google.held()
	o.google.locked(func() { o.google.granted = []string{scopeMeet} })
	meet := o.source(t, "google-meet", pusher, inesAt)
	o.pushAll(t, meet, "transcript.fileGenerated", "smartNote.fileGenerated")
	require.Empty(t, o.work(t))
	m := o.meetings(t)[0].Content
	require.True(t, m.HasEnded)
	require.False(t, m.HasNotes)
	require.Equal(t, "https://docs.google.com/document/d/d0c-1/view", m.ReportURL)
	require.Len(t, m.Transcript.Segments, 3)
	require.Empty(t, m.Title)
	require.Equal(t, meetRoom, m.Keys.JoinURL)
	source, err := o.store.Source(t.Context(), meet.ID)
	require.NoError(t, err)
	require.Nil(t, source.API.RefusedAt)
}

// The calendar and Meet make one meeting, whatever comes first.
func TestMeetJoinsTheCalendar(t *testing.T) {
	t.Parallel()
	for _, calendarFirst := range []bool{true, false} {
		o := newOffice(t)
		o.google.held()
		o.google.locked(func() { o.google.granted = []string{scopeMeet} }) // joined by the room and the start alone
		meet := o.source(t, "google-meet", pusher, inesAt)
		calendar := o.source(t, "google-calendar", channelSecret)
		told := func() {
			_, inserted, err := o.store.InsertPolled(t.Context(), store.PolledDelivery{NewDelivery: store.NewDelivery{
				Source: calendar, DedupeKey: "x", Body: fixture(t, "google-calendar/confirmed.json"), ReceivedAt: o.now,
			}})
			require.NoError(t, err)
			require.True(t, inserted)
			require.Empty(t, o.work(t))
		}
		if calendarFirst {
			told()
		}
		o.pushAll(t, meet, "conference.started", "conference.ended", "transcript.fileGenerated")
		require.Empty(t, o.work(t))
		if !calendarFirst {
			told()
		}
		found := o.meetings(t)
		require.Len(t, found, 1)
		require.Equal(t, []string{"google-calendar", "google-meet"}, found[0].Content.Providers)
		require.Len(t, found[0].Content.Attendees, 2)
		require.Equal(t, two, found[0].Content.ScheduledStart)
	}
}

func TestMeetsFailures(t *testing.T) {
	t.Parallel()
	const limited = `{"error":{"code":403,"errors":[{"domain":"usageLimits","reason":"rateLimitExceeded"}]}}`
	forbidden := googleFailure{status: 403, body: `{"error":{"code":403,"status":"PERMISSION_DENIED"}}`}
	for name, tc := range map[string]struct {
		fail map[string][]googleFailure
		want any // of what type; nil: it goes well
		wait time.Duration
	}{
		"nothing there yet":        {fail: map[string][]googleFailure{"/v2/" + meetCalled: {{status: 404}}}, want: NotYet{}},
		"too many calls":           {fail: map[string][]googleFailure{"/v2/" + meetCalled: {{status: 429, header: http.Header{"Retry-After": {"7"}}}}}, want: Later{}, wait: 7 * time.Second},
		"too many calls, with 403": {fail: map[string][]googleFailure{"/v2/" + meetCalled + "/participants": {{status: 403, body: limited}}}, want: Later{}, wait: 10 * time.Second},
		"in trouble":               {fail: map[string][]googleFailure{"/v2/spaces/Hrb0r": {{status: 503}}}, want: Later{}},
		"tokens in trouble":        {fail: map[string][]googleFailure{"/token": {{status: 500}}}, want: Later{}},
		"a token that is over":     {fail: map[string][]googleFailure{"/v2/" + meetCalled: {{status: 401}}}},
		"tokens refused":           {fail: map[string][]googleFailure{"/token": {{status: 400, body: `{"error":"invalid_grant"}`}}}, want: Refused{}},
		"not allowed":              {fail: map[string][]googleFailure{"/v2/" + meetCalled: {forbidden}}, want: Refused{}},
		"not allowed the calendar": {fail: map[string][]googleFailure{calendarPath: {forbidden}}},
		"no leave for the room":    {fail: map[string][]googleFailure{"/v2/spaces/Hrb0r": {forbidden}}},
		"a page instead of JSON":   {fail: map[string][]googleFailure{"/v2/" + meetCalled: {{status: 200, body: "<html>", header: http.Header{"Content-Type": {"text/html"}}}}}, want: Later{}},
		"another shape":            {fail: map[string][]googleFailure{"/v2/" + meetCalled + "/participants": {{status: 200, body: `{"participants":{}}`}}}, want: Later{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.google.held()
			for path, all := range tc.fail {
				o.google.fail(path, all...)
			}
			meet := o.source(t, "google-meet", pusher, inesAt)
			o.pushAll(t, meet, "conference.ended")
			o.sql(t, `update deliveries set received_at = now()`) // an odd answer is asked for again for some hours
			failures := o.work(t)
			if tc.want == nil {
				require.Empty(t, failures)
				require.Len(t, o.meetings(t), 1)
				return
			}
			require.Len(t, failures, 1)
			require.NotContains(t, failures[0].Error(), "conferenceRecords")
			switch tc.want.(type) {
			case NotYet:
				var e NotYet
				require.ErrorAs(t, failures[0], &e)
			case Later:
				var e Later
				require.ErrorAs(t, failures[0], &e)
				require.Equal(t, tc.wait, e.After)
			case Refused:
				var e Refused
				require.ErrorAs(t, failures[0], &e)
			}
			require.Empty(t, o.meetings(t), "what could not be asked for is not made up")
		})
	}
}

// The event may be faster than the record.
func TestMeetsRecordFollows(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.google.held()
	o.google.locked(func() { delete(o.google.meet[meetCalled].(map[string]any), "endTime") })
	meet := o.source(t, "google-meet", pusher, inesAt)
	o.pushAll(t, meet, "conference.ended")
	failures := o.work(t)
	require.Len(t, failures, 1)
	require.ErrorAs(t, failures[0], new(NotYet))
}

// Who leaves and comes back is in the same meeting, and who uses its room an hour
// later is in another one; so it is in any order, and for back-to-back meetings.
func TestMeetsCalls(t *testing.T) {
	t.Parallel()
	calls := map[string][2]time.Time{
		"trying_it_out":   {two.Add(-6 * time.Minute), two.Add(-5 * time.Minute)},
		"the_call":        {two.Add(time.Minute), two.Add(20 * time.Minute)},
		"back_again":      {two.Add(22 * time.Minute), two.Add(44 * time.Minute)},
		"the_next_one":    {two.Add(46 * time.Minute), two.Add(80 * time.Minute)}, // scheduled for 45 minutes past
		"for_itself":      {two.Add(120 * time.Minute), two.Add(130 * time.Minute)},
		"long_before":     {two.Add(-40 * time.Minute), two.Add(-30 * time.Minute)},
		"in_another_room": {two.Add(2 * time.Minute), two.Add(20 * time.Minute)},
	}
	names := slices.Sorted(maps.Keys(calls))
	for _, backwards := range []bool{false, true} {
		if backwards {
			slices.Reverse(names)
		}
		o := newOffice(t)
		o.google.locked(func() {
			o.google.meet["spaces/Hrb0r"] = map[string]any{"name": "spaces/Hrb0r", "meetingUri": meetRoom}
			o.google.meet["spaces/0ther"] = map[string]any{"name": "spaces/0ther", "meetingUri": "https://meet.google.com/oth-eron-eee"}
			for name, at := range calls {
				space := "spaces/Hrb0r"
				if name == "in_another_room" {
					space = "spaces/0ther"
				}
				o.google.meet["conferenceRecords/"+name] = map[string]any{
					"name": "conferenceRecords/" + name, "startTime": at[0].Format(time.RFC3339), "endTime": at[1].Format(time.RFC3339), "space": space,
				}
				o.google.meet["conferenceRecords/"+name+"/participants"] = []any{}
			}
		})
		o.google.change(inesAt, entry("first", two, nil))
		o.google.change(inesAt, entry("second", two.Add(45*time.Minute), nil))
		meet := o.source(t, "google-meet", pusher, inesAt)
		for _, name := range names {
			require.Equal(t, http.StatusNoContent, o.push(t, meet, message(t, name, meetEnded, "conferenceRecord", "conferenceRecords/"+name)).status)
			require.Empty(t, o.work(t))
		}
		found := map[string]meeting.Meeting{}
		for _, m := range o.meetings(t) {
			found[first(m.Content.Keys.CalendarEventID, m.Content.Keys.RecordingID)] = m.Content
		}
		require.ElementsMatch(t, []string{"first", "second", "conferenceRecords/for_itself", "conferenceRecords/long_before", "conferenceRecords/in_another_room"},
			slices.Collect(maps.Keys(found)))
		require.Equal(t, calls["back_again"][1], found["first"].ActualEnd)
		require.Equal(t, calls["the_next_one"][0], found["second"].ActualStart)
		require.Empty(t, found["conferenceRecords/for_itself"].Attendees, "nobody was invited to it")
	}
}

// What names no resource of Meet's never gets into a path.
func TestMeetsNames(t *testing.T) {
	t.Parallel()
	m := googleMeetMapping{}
	for _, name := range []string{
		"", "conferenceRecords/", "conferenceRecords/..", "conferenceRecords/a/../../v1/subscriptions", "conferenceRecords/a?x=1", "conferenceRecords/a#b", "conferenceRecords/a%2fb",
		"spaces/a", "/conferenceRecords/a", "conferenceRecords/a/transcripts/t", "conferenceRecords/a\n", "conferenceRecords/" + strings.Repeat("a", 201), "https://evil.example/conferenceRecords/a",
	} {
		d := Delivery{Body: message(t, "1", meetEnded, "conferenceRecord", name)}
		require.False(t, m.Thin(d), name)
		_, err := m.Events(d)
		require.Equal(t, Unfit{"the message names no conference, or not what its type says"}, err, name)
	}
	require.False(t, m.Thin(Delivery{Body: message(t, "1", meetNotes, "smartNote", "conferenceRecords/a/transcripts/t")}), "not of its type")
	require.True(t, m.Thin(Delivery{Body: message(t, "1", meetNotes, "smartNote", "conferenceRecords/a/smartNotes/t")}))
	require.True(t, m.LookAgain(Delivery{Body: fixture(t, "google-meet/subscription.expirationReminder.json")}))
	require.False(t, m.LookAgain(Delivery{Body: fixture(t, "google-meet/conference.ended.json")}))
	_, err := m.Events(Delivery{Body: fixture(t, "google-meet/participant.joined.json")})
	require.Equal(t, Unfit{"Debrief does not use Google's event google.workspace.meet.participant.v2.joined"}, err)
	// What is stored as its answer must be about what was asked.
	fetched, err := json.Marshal(map[string]any{"record": map[string]any{"name": "conferenceRecords/another", "startTime": "2026-10-06T14:01:30Z"}})
	require.NoError(t, err)
	_, err = m.Events(Delivery{Body: fixture(t, "google-meet/conference.started.json"), Fetched: fetched})
	require.Equal(t, Unfit{"Google Meet answered with another conference"}, err)
}

func TestCalendarEntries(t *testing.T) {
	t.Parallel()
	e := understood(t, "google-calendar/confirmed.json")[0]
	require.Equal(t, meeting.Event{
		Type: meeting.Scheduled, DedupeKey: "harborcal_20261006T140000Z:3570000000000000", OccurredAt: time.Date(2026, 10, 5, 10, 0, 0, 123e6, time.UTC),
		Provider: "google-calendar", ProviderEventType: "confirmed",
		Details: meeting.Details{
			Keys:  meeting.Keys{InstanceID: "harborcal_20261006T140000Z", CalendarEventID: "harborcal_20261006T140000Z", ICalUID: "harborcal@google.com", JoinURL: meetRoom},
			Title: harbor, TimeZone: "Europe/Lisbon", ScheduledStart: two, ScheduledEnd: two.Add(45 * time.Minute), Organizer: ines,
			Attendees: []meeting.Attendee{
				{Person: ines, Role: "host", Response: "accepted"},
				{Person: tom, Role: "invitee", Response: "tentative"},
			},
		},
	}, e)
	moved := understood(t, "google-calendar/moved.json")[0]
	require.Equal(t, meeting.Rescheduled, moved.Type)
	require.Equal(t, e.Keys.InstanceID, moved.Keys.InstanceID, "an occurrence keeps its name")
	require.Equal(t, two, moved.Keys.PreviousStart)
	require.Equal(t, roomURL, moved.Keys.JoinURL, "without its password")
	require.True(t, moved.Private)
	off := understood(t, "google-calendar/cancelled.json")[0]
	require.Equal(t, meeting.Canceled, off.Type)
	require.Equal(t, e.Keys.InstanceID, off.Keys.InstanceID)
	folded := meeting.Fold([]meeting.Event{off, moved, e})
	require.Equal(t, meeting.StateCanceled, folded.State)
	require.Equal(t, time.Date(2026, 10, 8, 9, 0, 0, 0, time.UTC), folded.ScheduledStart)
	_, err := Platforms()["google-calendar"].understand(Delivery{Body: fixture(t, "google-calendar/wholeday.json")})
	require.ErrorAs(t, err, new(Unfit))
	for _, body := range []string{`{}`, `{"id":""}`, `{"status":"cancelled"}`} {
		_, err := Platforms()["google-calendar"].understand(Delivery{Body: []byte(body)})
		require.Equal(t, Unfit{"the body names no entry of a calendar"}, err)
	}
}

// notify has Google tell of a change through the channels of a person's calendar.
func (o *office) notify(t *testing.T, source store.Source, person, state, number string) (sent int) {
	t.Helper()
	var headers []http.Header
	o.google.locked(func() {
		for id, c := range o.google.channels {
			if c["person"] == person {
				require.Equal(t, googlePublic+"/webhooks/"+source.ID.String(), c["address"])
				headers = append(headers, http.Header{
					"X-Goog-Channel-Id": {id}, "X-Goog-Channel-Token": {c["token"]}, "X-Goog-Resource-State": {state}, "X-Goog-Message-Number": {number},
					"X-Goog-Resource-Id": {c["resourceId"]}, "X-Goog-Resource-Uri": {o.google.URL + calendarPath + "?alt=json"},
				})
			}
		}
	})
	for _, h := range headers {
		got := o.send(t, source, h, nil)
		require.Equal(t, http.StatusNoContent, got.status, got.body)
	}
	return len(headers)
}

// look looks after a source once.
func (o *office) look(t *testing.T, source store.Source) (words string, next time.Time) {
	t.Helper()
	keeper := NewKeeper(KeeperOptions{Store: o.store, Platforms: o.platforms, APIs: o.apis, PublicURL: googlePublic + "/", Log: zerolog.Nop(), Now: func() time.Time { return o.now }})
	tended, err := keeper.Tend(t.Context(), source.ID)
	require.NoError(t, err)
	require.Empty(t, o.work(t))
	return tended.Words, tended.Next
}

// calendarTold are the meetings by their calendar's ID.
func (o *office) calendarTold(t *testing.T) map[string]meeting.Meeting {
	t.Helper()
	told := map[string]meeting.Meeting{}
	for _, m := range o.meetings(t) {
		told[m.Content.Keys.CalendarEventID] = m.Content
	}
	return told
}

func TestCalendarIsWatched(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	g := o.google
	o.now = time.Now().UTC().Truncate(time.Second) // since when a source is looked after goes by the database's clock
	now, day := o.now, 24*time.Hour
	own := func(e *calendarEntry) { e.Attendees = e.Attendees[:1] }
	ofJoao := func(e *calendarEntry) { // in Inês' calendar
		e.Organizer = calendarPerson{Email: joaoAt}
		e.Attendees = []calendarPerson{{Email: joaoAt, Organizer: true}, {Email: inesAt, Self: true}, {Email: tom.Email}}
	}
	atJoaos := func(e *calendarEntry) {
		ofJoao(e)
		e.Organizer.Self, e.Attendees[0].Self, e.Attendees[1].Self = true, true, false
	}
	g.change(inesAt, entry("past", now.Add(-3*day), nil))
	for _, week := range []int{1, 2, 3} { // each occurrence is a meeting
		g.change(inesAt, entry("weekly_"+string('0'+rune(week)), now.AddDate(0, 0, 7*week), func(e *calendarEntry) {
			e.SeriesID, e.ICalUID, e.OriginalStart = "weekly", "weekly@google.com", e.Start
		}))
	}
	g.change(inesAt, entry("dentist", now.Add(day), own))
	g.change(inesAt, entry("far", now.Add(70*day), nil))
	g.change(inesAt, entry("joaos", now.Add(2*day), ofJoao))
	g.change(joaoAt, entry("joaos", now.Add(2*day), atJoaos))
	source := o.source(t, "google-calendar", channelSecret, joaoAt, inesAt)

	words, next := o.look(t, source)
	require.Equal(t, "2 of 2 calendars are watched", words)
	require.Equal(t, o.now.Add(24*time.Hour), next, "bounded")
	told := o.calendarTold(t)
	require.ElementsMatch(t, []string{"weekly_1", "weekly_2", "weekly_3", "joaos"}, slices.Collect(maps.Keys(told)), "not what is over, too far, or nobody else's business")
	require.Equal(t, meeting.StateScheduled, told["weekly_2"].State)
	require.Equal(t, joaoAt, told["joaos"].Organizer.Email)
	for _, d := range o.stored(t) {
		body, err := o.store.Body(t.Context(), d.ID)
		require.NoError(t, err)
		require.NotContains(t, string(body), "dentist")
	}
	require.Len(t, g.channels, 2)

	// Google says that there is a channel, and then that something changed.
	require.Equal(t, 1, o.notify(t, source, inesAt, "sync", "1"))
	g.change(inesAt, entry("weekly_2", now.Add(15*day), func(e *calendarEntry) {
		e.SeriesID, e.ICalUID, e.Sequence, e.Updated = "weekly", "weekly@google.com", 1, moment(now)
		e.OriginalStart = calendarTime{DateTime: moment(now.Add(14 * day))}
	}))
	g.change(inesAt, calendarEntry{ID: "weekly_3", Status: "cancelled", SeriesID: "weekly", OriginalStart: calendarTime{DateTime: moment(now.Add(21 * day))}})
	g.change(inesAt, calendarEntry{ID: "dentist", Status: "cancelled"})
	g.change(inesAt, calendarEntry{ID: "joaos", Status: "cancelled"}) // taken out of her own calendar
	o.now = o.now.Add(time.Minute)
	require.Equal(t, 1, o.notify(t, source, inesAt, "exists", "2"))
	require.Equal(t, 1, o.notify(t, source, inesAt, "exists", "2"), "replayed")
	require.Empty(t, o.work(t))
	due, err := o.store.ClaimUpkeeps(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, due, 1, "it is looked after at once")
	before := g.called("GET " + calendarPath)
	o.look(t, source)
	require.Equal(t, 2+1, g.called("GET "+calendarPath)-before, "each calendar's changes, in pages of two: four entries of one")
	told = o.calendarTold(t)
	require.Len(t, told, 4)
	require.Equal(t, now.Add(15*day), told["weekly_2"].ScheduledStart)
	require.Equal(t, meeting.StateCanceled, told["weekly_3"].State)
	require.Equal(t, meeting.StateScheduled, told["weekly_1"].State)
	require.Equal(t, meeting.StateScheduled, told["joaos"].State, "its host has not called it off")

	// Off, told by its host's calendar.
	g.change(joaoAt, calendarEntry{ID: "joaos", Status: "cancelled", Updated: moment(o.now)})
	o.look(t, source)
	require.Equal(t, meeting.StateCanceled, o.calendarTold(t)["joaos"].State)

	// Google forgets the marks: what went away meanwhile is off, and the rest is as it was.
	g.change(inesAt, calendarEntry{ID: "weekly_1", Status: "cancelled"})
	g.change(inesAt, entry("new", now.Add(4*day), nil))
	g.locked(func() { g.forgotten = 1000 })
	deliveries := len(o.stored(t))
	o.now = o.now.Add(time.Hour)
	o.look(t, source)
	told = o.calendarTold(t)
	require.Len(t, told, 5)
	require.Equal(t, meeting.StateCanceled, told["weekly_1"].State)
	require.Equal(t, meeting.StateScheduled, told["new"].State)
	require.Len(t, o.stored(t), deliveries+2)

	// Days later, what was too far is not any more, although nothing changed.
	g.locked(func() { g.forgotten = 0 })
	o.now = o.now.Add(12 * day)
	o.look(t, source)
	require.Contains(t, o.calendarTold(t), "far")
}

func TestCalendarChannels(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	g := o.google
	o.now = time.Now().UTC().Truncate(time.Second)
	source := o.source(t, "google-calendar", channelSecret, inesAt, joaoAt)
	channels := func() (ids []string) {
		g.locked(func() { ids = slices.Sorted(maps.Keys(g.channels)) })
		return ids
	}
	o.look(t, source)
	first := channels()
	require.Len(t, first, 2)
	o.now = o.now.Add(5 * 24 * time.Hour)
	o.look(t, source)
	require.Equal(t, first, channels())
	o.now = o.now.Add(25 * time.Hour) // less than a day is left
	o.look(t, source)
	second := channels()
	require.Len(t, second, 2, "the old ones are ended")
	require.NotContains(t, second, first[0])
	require.NotContains(t, second, first[1])

	// A new secret: channels with tokens of it, at once.
	require.NoError(t, o.store.RotateSourceSecret(t.Context(), source.ID, standardSecret, store.Operator))
	o.look(t, source)
	third := channels()
	require.NotEqual(t, second, third)
	require.NoError(t, o.store.RetireSourceSecret(t.Context(), source.ID, store.Operator))
	require.Equal(t, 1, o.notify(t, source, inesAt, "exists", "1"))

	// Google is in trouble with one calendar: the other one is looked through.
	g.change(joaoAt, entry("joaos", o.now.Add(time.Hour), func(e *calendarEntry) { e.Organizer = calendarPerson{Email: joaoAt} }))
	g.fail(calendarPath, googleFailure{status: 500})
	words, _ := o.look(t, source)
	require.Equal(t, "google-calendar is in trouble (500)", words)
	require.Contains(t, o.calendarTold(t), "joaos")

	// João left the company: he is said, and the others are looked after.
	g.locked(func() { delete(g.people, joaoAt); g.tokens = map[string][2]string{} })
	g.change(inesAt, entry("new", o.now.Add(time.Hour), nil))
	words, next := o.look(t, source)
	require.Equal(t, "1 of 2 calendars are watched; Google refuses the rest: check that these people have accounts, and that the scopes are delegated", words)
	require.Equal(t, o.now.Add(time.Hour), next)
	require.Contains(t, o.calendarTold(t), "new")
	now, err := o.store.Source(t.Context(), source.ID)
	require.NoError(t, err)
	require.Nil(t, now.API.RefusedAt)

	// Nobody's delegation stands: that is for the operator.
	g.locked(func() { g.granted = nil; g.tokens = map[string][2]string{} })
	o.look(t, source)
	now, err = o.store.Source(t.Context(), source.ID)
	require.NoError(t, err)
	require.NotNil(t, now.API.RefusedAt)
	g.locked(func() { g.granted = []string{scopeCalendar} })

	// Disabled: Google is told to stop.
	require.NoError(t, o.store.DisableSource(t.Context(), source.ID, store.Operator))
	o.look(t, source)
	require.Len(t, channels(), 1, "but for whom nobody can speak any more")
}

func TestMeetSubscriptions(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	g := o.google
	meet := o.source(t, "google-meet", pusher, inesAt, joaoAt)
	names := func() (names []string) {
		g.locked(func() { names = slices.Sorted(maps.Keys(g.subscriptions)) })
		return names
	}
	words, next := o.look(t, meet)
	require.Equal(t, "2 of 2 people's meetings are subscribed to", words)
	require.Equal(t, o.now.Add(24*time.Hour), next)
	stood := names()
	require.Len(t, stood, 2)
	for _, s := range g.subscriptions {
		require.ElementsMatch(t, []any{meetStarted, meetEnded, meetTranscript, meetNotes, meetRecording}, s["eventTypes"])
	}

	// Renewed two days before they end.
	o.now = o.now.Add(5*24*time.Hour + time.Hour)
	o.look(t, meet)
	require.Equal(t, stood, names())
	g.locked(func() {
		for _, s := range g.subscriptions {
			require.Equal(t, o.now.Add(g.life).Format(time.RFC3339Nano), s["expireTime"])
		}
		// One is suspended, one is over.
		g.subscriptions[stood[0]]["state"] = "SUSPENDED"
		delete(g.subscriptions, stood[1])
	})
	// Google says so, and it is looked after at once.
	require.Equal(t, http.StatusNoContent, o.push(t, meet, fixture(t, "google-meet/subscription.expirationReminder.json")).status)
	require.Empty(t, o.work(t))
	due, err := o.store.ClaimUpkeeps(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, due, 1)
	o.look(t, meet)
	require.Len(t, names(), 2)
	require.Contains(t, names(), stood[0])
	require.Equal(t, "ACTIVE", g.subscriptions[stood[0]]["state"])

	// What Debrief forgot is found again, not made twice.
	require.NoError(t, o.store.DisableSource(t.Context(), meet.ID, store.Operator))
	g.fail("/v1/"+stood[0], googleFailure{status: 404})
	o.look(t, meet)
	require.Len(t, names(), 1, "removed, but for one that Google did not find")
	require.NoError(t, o.store.EnableSource(t.Context(), meet.ID, store.Operator))
	made := g.called("POST /v1/subscriptions")
	o.look(t, meet)
	require.Len(t, names(), 2)
	require.Equal(t, 1, g.called("POST /v1/subscriptions")-made)
	require.Contains(t, names(), stood[0])
}

func TestGoogleCredentials(t *testing.T) {
	t.Parallel()
	key := serviceAccount(t).Reveal()
	read := func(platform, raw string) error {
		_, err := Platforms()[platform].ReadCredentials([]byte(raw))
		return err
	}
	require.NoError(t, read("google-calendar", `{"service_account":`+key+`,"users":"ines@harbor.example, joao@harbor.example"}`))
	require.NoError(t, read("google-meet", `{"service_account":`+key+`,"users":["ines@harbor.example"],"topic":"projects/harbor/topics/meet-events"}`))
	for raw, want := range map[string]string{
		`{"service_account":{},"users":["ines@harbor.example"]}`:                                                      "JSON key of a service account",
		`{"service_account":{"type":"service_account","client_email":"x","private_key":"-"},"users":["i@h.example"]}`: "no private key in PEM",
		`{"service_account":` + key + `,"users":[]}`:                                                                  "from 1 to 100",
		`{"service_account":` + key + `,"users":"everybody"}`:                                                         "e-mail addresses",
		`{"service_account":` + key + `,"users":["ines@harbor.example/../x"]}`:                                        "e-mail addresses",
		`{"service_account":` + key + `}`:                                                                             "users is missing",
	} {
		require.ErrorContains(t, read("google-calendar", raw), want)
	}
	require.ErrorContains(t, read("google-meet", `{"service_account":`+key+`,"users":["ines@harbor.example"],"topic":"meet-events"}`), "topic should look like")
}

func FuzzGoogleMeet(f *testing.F)     { seed(f, "google-meet"); fuzzMapping(f, "google-meet") }
func FuzzGoogleCalendar(f *testing.F) { seed(f, "google-calendar"); fuzzMapping(f, "google-calendar") }

// FuzzGoogleFetched: what Google answers is not ours either.
func FuzzGoogleFetched(f *testing.F) {
	f.Add([]byte(`{"record":{"name":"conferenceRecords/harbor-1","startTime":"2026-10-06T14:01:30Z","endTime":"2026-10-06T14:46:55Z","space":"spaces/s"},` +
		`"space":{"meetingUri":"https://meet.google.com/hbr-nrth-wnd"},"participants":[{"name":"p","signedinUser":{"displayName":"Inês"}}],` +
		`"entries":[{"participant":"p","text":"a","startTime":"2026-10-06T14:02:30Z"}],"file":{"docsDestination":{"exportUri":"https://x"}},"notes":"# a\n## Next steps\n- b",` +
		`"calendar":{"id":"e","start":{"dateTime":"2026-10-06T14:00:00Z"},"attendees":[{"email":"a@b.example"}]}}`))
	p := Platforms()["google-meet"]
	var bodies [][]byte
	for _, name := range []string{"conference.started", "conference.ended", "transcript.fileGenerated", "smartNote.fileGenerated", "recording.fileGenerated"} {
		bodies = append(bodies, fixture(f, "google-meet/"+name+".json"))
	}
	f.Fuzz(func(t *testing.T, fetched []byte) {
		for _, body := range bodies {
			events, err := p.understand(Delivery{Body: body, Fetched: append([]byte{}, fetched...)})
			if err != nil {
				require.IsType(t, Unfit{}, err)
				continue
			}
			for _, e := range events {
				require.NoError(t, e.Validate())
				require.Equal(t, "conferenceRecords/harbor-1", e.Keys.RecordingID)
			}
		}
	})
}

// FuzzGoogleIdentity: nobody here has Google's key or the channel's secret.
func FuzzGoogleIdentity(f *testing.F) {
	double := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &googleKey().PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	}))
	f.Cleanup(double.Close)
	at := &url.URL{Scheme: "https", Host: "debrief.example", Path: "/webhooks/1"}
	a := pushIdentity{keys: newPublishedKeys(double.URL, &http.Transport{DisableKeepAlives: true})}
	sound := identity(f, otherGoogleKey(), jose.RS256, "k1", at.String(), nil)
	f.Add(sound, "channel")
	f.Add(unsigned(sound), strings.Repeat("0", 64))
	f.Add("a.b.c", "")
	f.Fuzz(func(t *testing.T, token, channel string) {
		r := Request{URL: at, Header: http.Header{"Authorization": {"Bearer " + token}, "X-Goog-Channel-Id": {channel}, "X-Goog-Channel-Token": {token}}}
		require.Error(t, a.Verify(r, pusher, now))
		require.Error(t, channelToken{}.Verify(r, channelSecret, now))
		_ = a.Verify(r, token, now)
	})
}
